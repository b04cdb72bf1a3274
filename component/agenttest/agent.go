package agenttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/proto"
	"github.com/gofrs/uuid/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	protobuf "google.golang.org/protobuf/proto"
)

// What Elastic Agent 9.5 does unless configured otherwise.
const (
	agentVersion        = "9.5.2"
	agentMaxMessageSize = 100 << 20        // agent.grpc.max_message_size
	agentGrace          = 25 * time.Second // timeouts.stop less 5s
)

// Options shape an Agent.
type Options struct {
	// Dir is the component's work directory (path.data). It is made where it
	// is missing and survives restarts; the caller removes it.
	Dir string
	// ID is the agent's id. Default: a new UUID.
	ID string
	// Version is the agent's version. Default: 9.5.2.
	Version string
	// Old leaves out of the connection info what agents before 8.13 did not
	// send: agent info, message size and chunking.
	Old bool
	// Grace is the time between SIGTERM and SIGKILL. Default: 25s.
	Grace time.Duration
	// OnCheckin, if set, is called for every check-in. It must not call the
	// Agent.
	OnCheckin func()
}

// Agent is the local end of the control protocol, behaving as Elastic Agent
// does towards one component: it spawns the binary with the connection info on
// its standard input, sends it the expected units and collects the states
// observed. It does not restart a process that ended, and does not count
// missed check-ins.
//
// An Agent must be closed. Its methods may be called from several goroutines.
type Agent struct {
	options   Options
	authority *Authority
	token     string
	name      string // server name, per component as in the agent
	control   *control
	log       *tail

	mu       sync.Mutex
	server   *grpc.Server
	listener net.Listener
	process  *process
	serving  sync.WaitGroup
}

// New makes an Agent. Nothing runs before Start or StartUp.
func New(o Options) (*Agent, error) {
	ca, err := NewAuthority()
	if err != nil {
		return nil, fmt.Errorf("new agent: %w", err)
	}
	if o.ID == "" {
		o.ID = newID()
	}
	if o.Version == "" {
		o.Version = agentVersion
	}
	if o.Grace == 0 {
		o.Grace = agentGrace
	}
	a := &Agent{
		options: o, authority: ca, token: newID(), name: newID(),
		control: newControl(&proto.AgentInfo{Id: o.ID, Version: o.Version, Mode: proto.AgentManagedMode_MANAGED}),
		log:     &tail{},
	}
	a.control.onCheckin = o.OnCheckin
	return a, nil
}

// SetUnits replaces the units of the policy and sends them to the component. A unit
// that is no longer among them is expected STOPPED until the component reports
// that, then it is forgotten. As with the real agent, a unit that comes back
// before that stays expected STOPPED: it runs again with the first SetUnits
// after it was forgotten.
func (a *Agent) SetUnits(units ...Unit) error { return a.control.setUnits(units) }

// Shared is what holds for the component as a whole.
type Shared struct {
	FQDN            bool   // agent.features.fqdn.enabled
	GoMaxProcs      uint64 // agent.limits.go_max_procs; 0 = none
	APMHost, APMKey string // where traces go; empty = nowhere
}

// SetShared changes features, limits and tracing of the component.
func (a *Agent) SetShared(s Shared) { a.control.setShared(s) }

// Settled reports whether the component has received what SetShared set.
func (a *Agent) Settled() bool { return a.control.settled() }

// Pid is the process of the component.
func (a *Agent) Pid() int {
	if p := a.running(); p != nil {
		return p.pid()
	}
	return 0
}

// States are the units' states as last reported. An expected unit that was not
// reported yet is STARTING.
func (a *Agent) States() States {
	states, _ := a.control.states()
	return states
}

// History are the states a unit went through as the component reported them,
// over all its processes. Equal reports in a row count once.
func (a *Agent) History(unit UnitKey) []UnitState { return a.control.history(unit) }

// Wait returns nil as soon as until holds for the states, and an error with
// the tail of the log when ctx or the process ended before that.
func (a *Agent) Wait(ctx context.Context, until func(States) bool) error {
	for {
		p := a.running()
		states, changed := a.control.states()
		if until(states) {
			return nil
		}
		var exited <-chan struct{}
		if p != nil {
			exited = p.done
		}
		select {
		case <-changed:
		case <-exited:
			if states, _ = a.control.states(); until(states) {
				return nil
			}
			return a.failure("wait for states", fmt.Errorf("the process exited with code %d: %v", p.exit.Code, states))
		case <-ctx.Done():
			return a.failure("wait for states", fmt.Errorf("%w: %v", ctx.Err(), states))
		}
	}
}

// Log is what the process wrote to stdout and stderr, line by line, the newest
// lines only when there are many.
func (a *Agent) Log() []string { return a.log.lines() }

// StartUp starts serving and returns what the agent writes to a component's
// standard input, for a component in the same process.
func (a *Agent) StartUp() (io.Reader, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.listen(); err != nil {
		return nil, err
	}
	return a.startUp()
}

// Start spawns the component and returns. The command gets the argument
// -E path.data=DIR, the connection info as standard input, and its outputs go
// to the Log beside where they went already. The process is killed when ctx
// ends. A former process must have ended.
func (a *Agent) Start(ctx context.Context, cmd *exec.Cmd) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil && !a.process.exited() {
		return fmt.Errorf("start component: pid %d is still running", a.process.pid())
	}
	if err := os.MkdirAll(a.options.Dir, 0o770); err != nil {
		return fmt.Errorf("start component: %w", err)
	}
	if err := a.listen(); err != nil {
		return err
	}
	info, err := a.startUp()
	if err != nil {
		return err
	}
	a.control.reset()
	cmd.Args = append(cmd.Args, "-E", "path.data="+a.options.Dir)
	cmd.Stdin = info
	p, err := startProcess(ctx, cmd, a.log, a.control.exited)
	if err != nil {
		return fmt.Errorf("start component: %w", err)
	}
	a.process = p
	return nil
}

// Stop ends the process as the agent does: a signal, while the units stay
// expected as they are, and SIGKILL when the grace or ctx ended. The error has
// the tail of the log and says that the process had to be killed.
func (a *Agent) Stop(ctx context.Context) (Exit, error) {
	p := a.running()
	if p == nil {
		return Exit{}, fmt.Errorf("stop component: not started")
	}
	exit := p.stop(ctx, a.options.Grace)
	if exit.Killed {
		return exit, a.failure("stop component", fmt.Errorf("killed after %s", exit.Duration))
	}
	return exit, nil
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (a *Agent) Kill() Exit {
	p := a.running()
	if p == nil {
		return Exit{}
	}
	return p.kill()
}

// Done is closed when the process has ended. It is nil before Start.
func (a *Agent) Done() <-chan struct{} {
	if p := a.running(); p != nil {
		return p.done
	}
	return nil
}

// Close kills the process, if one runs, and stops serving.
func (a *Agent) Close() error {
	a.Kill()
	a.mu.Lock()
	server := a.server
	a.server = nil
	a.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	a.serving.Wait()
	return nil
}

// listen starts the server unless it runs. Callers hold mu.
func (a *Agent) listen() error {
	if a.server != nil {
		return nil
	}
	config, err := a.authority.ServerConfig(a.name)
	if err != nil {
		return fmt.Errorf("listen for the component: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the component: %w", err)
	}
	a.listener = listener
	a.server = grpc.NewServer(grpc.Creds(credentials.NewTLS(config)),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(agentMaxMessageSize), grpc.MaxSendMsgSize(agentMaxMessageSize))
	proto.RegisterElasticAgentServer(a.server, &agentServer{control: a.control, token: a.token, receivers: &a.serving})
	server := a.server
	a.serving.Go(func() { _ = server.Serve(listener) }) // ends with Stop, and then without an error worth reporting
	return nil
}

func (a *Agent) startUp() (io.Reader, error) {
	certificate, key, err := a.authority.Issue(a.name)
	if err != nil {
		return nil, fmt.Errorf("connection info: %w", err)
	}
	info := &proto.StartUpInfo{
		Addr: a.listener.Addr().String(), ServerName: a.name, Token: a.token,
		CaCert: a.authority.pem, PeerCert: certificate, PeerKey: key,
		Services: []proto.ConnInfoServices{proto.ConnInfoServices_CheckinV2},
	}
	if !a.options.Old {
		info.Supports = []proto.ConnectionSupports{proto.ConnectionSupports_CheckinChunking}
		info.MaxMessageSize = agentMaxMessageSize
		info.AgentInfo = a.control.agent
	}
	out, err := protobuf.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("connection info: %w", err)
	}
	return bytes.NewReader(out), nil
}

func (a *Agent) running() *process {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.process
}

func (a *Agent) failure(op string, err error) error {
	return fmt.Errorf("%s: %w\n%s", op, err, a.log.end())
}

func newID() string { return uuid.Must(uuid.NewV4()).String() }
