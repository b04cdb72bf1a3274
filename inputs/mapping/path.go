package mapping

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// BaseName is the last part of a Windows or Unix path.
func BaseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// JoinPath is the path of a file in a folder, absent unless both are known.
func (e *Envelope) JoinPath(folder, name *Field) ecs.Value {
	dir, file := folder.Text(), name.Text()
	if dir == "" || file == "" {
		return ecs.Value{}
	}
	separator := `\`
	if strings.HasPrefix(dir, "/") {
		separator = "/"
	}
	return e.Short(strings.TrimRight(dir, `/\`) + separator + file)
}

// Executable is the program of a command line: the first word, or what stands
// between the quotes it begins with.
func Executable(commandLine string) string {
	s := strings.TrimSpace(commandLine)
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		program, _, _ := strings.Cut(quoted, `"`)
		return program
	}
	program, _, _ := strings.Cut(s, " ")
	return strings.ReplaceAll(program, `"`, "")
}
