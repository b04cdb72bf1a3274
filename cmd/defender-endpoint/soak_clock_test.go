package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clockVariable names the file that says by how many seconds the clock of the
// program that movable builds is off.
const clockVariable = "DEFENDER_ENDPOINT_CLOCK"

// movable is the real program with a clock that a test moves: all that it does by
// the time of day does so by that clock, as on a machine whose clock is wrong.
// Built once; nothing of it is in the program that is delivered.
var movable = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(binary), "movable")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	timeFile := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	source, err := os.ReadFile(timeFile)
	if err != nil {
		return "", err
	}
	const reading, imports = "	sec, nsec, mono := runtimeNow()\n	if", "import (\n"
	moved := strings.Replace(string(source), reading, "	sec, nsec, mono := runtimeNow()\n	sec += Moved.Load()\n	if", 1)
	moved = strings.Replace(moved, imports, imports+"	\"sync/atomic\"\n", 1) + "\nvar Moved atomic.Int64\n"
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	files := map[string]string{timeFile: moved, filepath.Join(here, "moved.go"): followClock}
	replaced := map[string]string{}
	for file, text := range files {
		replaced[file] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replaced[file], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(dir, filepath.Base(binary))
	out, err := exec.Command("go", "build", "-tags", "grpcnotrace", "-race="+strconv.FormatBool(raced), "-overlay", overlay, "-o", program, ".").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return program, nil
})

// followClock is a file more of the program.
const followClock = `package main

import (
	"os"
	"strconv"
	"time"
)

func init() {
	read := func() {
		b, _ := os.ReadFile(os.Getenv("` + clockVariable + `"))
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			time.Moved.Store(n)
		}
	}
	read()
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			read()
		}
	}()
}
`

// moveClock sets our own clock off by so much, now and for anyone who starts later.
// The tenant's and Elasticsearch's stay.
func (s *soak) moveClock(by time.Duration) {
	s.Helper()
	file := filepath.Join(s.dir, "clock")
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		s.Fatal(err)
	}
	write(s, file+".new", strconv.FormatInt(int64(by/time.Second), 10))
	if err := os.Rename(file+".new", file); err != nil {
		s.Fatal(err)
	}
}

// useMovable runs the row with the program whose clock can be moved.
func (s *soak) useMovable() {
	s.Helper()
	program, err := movable()
	if err != nil {
		s.Fatal(err)
	}
	s.program, s.env = program, append(s.env, clockVariable+"="+filepath.Join(s.dir, "clock"))
}

// expectClock checks that the program lives by the clock that is off.
func (s *soak) expectClock(by time.Duration) {
	s.Helper()
	log := strings.Join(s.agent.Log(), "\n")
	for _, at := range []time.Time{time.Now().Add(by), time.Now().Add(by - 5*time.Minute)} {
		if strings.Contains(log, at.UTC().Format("2006-01-02T15:")) {
			return
		}
	}
	s.Errorf("nothing was logged at the hour of a clock that is off by %s: the row proves nothing", by)
}

// ownClockRows move our clock while the tenant's stands.
func ownClockRows() []row {
	var rows []row
	for name, by := range map[string]time.Duration{
		"two hours on": 2 * time.Hour, "ten days on": 240 * time.Hour, "an hour back": -time.Hour, "a month back": -720 * time.Hour,
	} {
		rows = append(rows, row{name: "o: our clock jumps " + name + ", and is set right", run: func(s *soak) {
			s.useMovable()
			s.killedOften()
			s.settle()
			s.moveClock(by)
			s.change(5)
			s.waitDrained() // by the process that met the jump
			s.killedOften()
			s.waitDrained()
			s.expectClock(by)
			s.moveClock(0)
			s.change(5)
			s.waitDrained()
			s.killedOften()
			s.settle()
			s.kill()
			s.rollover() // what is read again from here on would be stored twice
		}})
	}
	return append(rows, row{name: "o: our clock jumps for four seconds, again and again", run: func(s *soak) {
		s.useMovable()
		s.killedOften()
		for range 2 * hostileRounds() {
			s.moveClock(time.Duration(s.random.IntN(4000)-2000) * time.Hour)
			s.change(3)
			s.until(4*time.Second, func() bool { return false })
			s.moveClock(0)
			s.until(time.Second, func() bool { return false })
			s.arrive(time.Now().Add(-time.Minute))
			s.killedOften()
			s.waitDrained()
		}
	}})
}
