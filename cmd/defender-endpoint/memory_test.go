package main

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestAllowedMemory(t *testing.T) {
	const pod = 512 << 20
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no control groups": {nil, math.MaxInt64},
		"none set":          {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
		"container":         {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, pod},
		"lowest of the groups around it": {map[string]string{
			"proc/self/cgroup":                                    "0::/system.slice/agent.service\n",
			"sys/fs/cgroup/system.slice/memory.max":               "536870912\n",
			"sys/fs/cgroup/system.slice/agent.service/memory.max": "max\n",
		}, pod},
		"version 1": {map[string]string{
			"proc/self/cgroup":                           "5:cpu:/x\n4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
		}, pod},
		"not readable": {map[string]string{"proc/self/cgroup": "0::/../..\n0\n", "sys/fs/cgroup/memory.max": "-1"}, math.MaxInt64},
	} {
		files := fstest.MapFS{}
		for path, text := range c.files {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := allowedMemory(files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
