package main

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is how much garbage there may be for each byte that is in use, in
// percent. Records leave little behind, so that Go's own 100 would double the
// memory in use only to save what cannot be measured: with 50 the peak is 3 to 4
// MB lower after some time, of 36 to 39.
const gcPercent = 50

// limitMemory makes Go's collector run more often, unless GOGC says how often,
// and keep within the memory that the process is allowed, such as the 512 MiB of
// an agentless pod, unless GOMEMLIMIT says what to keep within. A fifth of that is
// left for what is not Go's heap.
//
// Where nothing limits the process there is no limit here either. What streams
// hold is bounded, most of it by the batches that they share (inputs.DefaultBatches),
// and a fixed sum would make the collector run all the time where an agent has many
// of them.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if allowed := allowedMemory(os.DirFS("/")); allowed < math.MaxInt64 {
		debug.SetMemoryLimit(allowed / 10 * 8)
	}
}

// allowedMemory is the lowest limit of the process's control groups, in bytes.
func allowedMemory(root fs.FS) int64 {
	allowed := int64(math.MaxInt64)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // there is none but on Linux
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[1] == "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case fields[0] != "0":
			continue
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			allowed = min(allowed, readLimit(root, path.Join(mount, group, file)))
			if group == "/" {
				break
			}
		}
	}
	return allowed
}

// readLimit reads a limit; where there is none, or it cannot be read, it is the
// largest number.
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
	if err != nil || limit <= 0 {
		return math.MaxInt64
	}
	return limit
}
