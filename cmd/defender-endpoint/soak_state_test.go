package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
)

// spoiled is a row that does something to each checkpoint while nothing runs.
func spoiled(name string, f func(s *soak, file string)) row {
	return row{name: "i: " + name, run: func(s *soak) {
		collectAll(s)
		s.kill()
		files := slices.DeleteFunc(s.checkpoints(), func(file string) bool { return strings.Contains(read(s, file), "|calls|") })
		if len(files) != 3 {
			s.Fatalf("checkpoints %v; want three", files)
		}
		for _, file := range files {
			f(s, file)
		}
		s.change(5)
	}}
}

func stateRows() []row {
	return []row{
		spoiled("state torn", func(s *soak, file string) {
			if !strings.Contains(read(s, file), "machine\"") { // see the promise about machines
				write(s, file, read(s, file)[:100])
			}
		}),
		spoiled("state lost", func(s *soak, file string) {
			if !strings.Contains(read(s, file), "machine\"") {
				if err := os.Remove(file); err != nil {
					s.Fatal(err)
				}
			}
		}),
		{name: "i: disk full for a while", run: func(s *soak) {
			cursors := filepath.Join(s.dir, "cursors")
			if err := os.MkdirAll(s.dir, 0o700); err != nil {
				s.Fatal(err)
			}
			write(s, cursors, "") // in place of the directory
			collectAll(s)
			s.change(10)
			s.waitDrained()
			if err := os.Remove(cursors); err != nil {
				s.Fatal(err)
			}
			s.waitHealthy()
			s.settle()
			s.kill()
			s.rollover()
		}},
		{name: "i: second process on one state directory", run: func(s *soak) {
			collectAll(s)
			dir, file := writePolicy(s.T, policy(s.api, s.esURL))
			state, stderr := program(s.T, dir, "run", "-c", file, "--once", "-E", "path.data="+s.dir)
			if state.ExitCode() != 1 || !strings.Contains(stderr, "in use by another process") {
				s.Errorf("the second process is not refused: exit code %d\n%s", state.ExitCode(), stderr)
			}
			s.change(10)
		}},
	}
}

// agentless is how the agent asks for state in Elasticsearch.
var agentless = []string{"AGENTLESS_ELASTICSEARCH_STATE_STORE_INPUT_TYPES=cel,microsoft_defender_endpoint"}

func agentlessRows() []row {
	return []row{
		{name: "i: state in Elasticsearch, killed", env: agentless, run: func(s *soak) {
			for range 3 {
				s.start()
				s.settle()
				s.kill()
				s.rollover()
				s.change(10)
			}
			if files, _ := filepath.Glob(filepath.Join(s.dir, "cursors", "*")); len(files) > 0 {
				s.Errorf("state on disk: %v", files)
			}
		}},
		{name: "i: state in Elasticsearch, policy removed and given back", env: agentless, run: func(s *soak) {
			collectAll(s)
			s.set()
			s.eventually("the input is stopped", func() bool {
				h := s.agent.History(inputKey)
				return len(h) > 0 && h[len(h)-1].State == client.UnitStateStopped
			})
			s.change(10)
			s.eventually("the policy is taken back", func() bool {
				s.apply(nil) // an agent forgets a unit some time after it stopped
				return s.agent.States()[inputKey].State == client.UnitStateHealthy
			})
		}},
		{name: "i: state in Elasticsearch, not allowed for a while", env: agentless, run: func(s *soak) {
			s.es.FaultIndex(http.StatusForbidden)
			collectAll(s)
			s.wait("the unit tells", func(states agenttest.States) bool {
				return states[inputKey].State == client.UnitStateDegraded && strings.Contains(states[inputKey].Message, "agentless-state-*")
			})
			s.change(10)
			s.waitDrained()
			s.es.Heal()
			s.waitHealthy()
			s.settle()
			s.kill()
			s.rollover()
		}},
	}
}

func rolloverRows() []row {
	return []row{
		{name: "j: rollover, then the overlap is read again", run: func(s *soak) {
			collectAll(s)
			s.rollover()
			s.change(10)
			s.until(2500*time.Millisecond, func() bool { return false })
			s.end()
			s.rollover()
			s.change(10)
		}},
		{name: "j: rollover and SIGKILL", run: func(s *soak) {
			for range 3 {
				if !s.running {
					s.start()
				}
				s.settle()
				s.kill()
				s.rollover()
				s.change(10)
			}
		}},
	}
}

// checkpoints are the files of the cursors, and of the calls that were made.
func (s *soak) checkpoints() []string {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "cursors", "*.json"))
	s.try(err)
	return files
}

func (s *soak) try(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func read(s *soak, file string) string {
	s.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

func write(s *soak, file, text string) {
	s.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}
