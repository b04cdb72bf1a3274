package mapping

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// BaseName is the last part of a Windows or Unix path.
func BaseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// JoinPath is the path of a file in a folder, absent unless both are known. A
// folder that ends with the file's name is the path already.
func (e *Envelope) JoinPath(folder, name *Field) ecs.Value {
	dir, file := folder.Text(), BaseName(name.Text())
	if dir == "" || file == "" {
		return ecs.Value{}
	}
	if strings.ContainsAny(dir, `/\`) && strings.EqualFold(BaseName(dir), file) && isProgram(file) {
		return e.Short(dir)
	}
	separator := `\`
	if strings.HasPrefix(dir, "/") {
		separator = "/"
	}
	return e.Short(strings.TrimRight(dir, `/\`) + separator + file)
}

// programs are the extensions of what Windows runs.
var programs = []string{".exe", ".com", ".bat", ".cmd", ".scr", ".ps1", ".vbs", ".js", ".msi", ".dll", ".sys"}

// isProgram reports whether Windows runs a file of that name.
func isProgram(name string) bool {
	for _, extension := range programs {
		if i := len(name) - len(extension); i > 0 && strings.EqualFold(name[i:], extension) {
			return true
		}
	}
	return false
}

// Executable is the program of a command line: what is between the quotes it
// begins with, a Windows path to the end of a program's name though there are
// blanks in it, or the first word.
func Executable(commandLine string) string {
	program, _ := cutProgram(commandLine)
	return program
}

func cutProgram(commandLine string) (program, rest string) {
	s := strings.TrimLeft(commandLine, blanks)
	if s == "" {
		return "", ""
	}
	if quote := s[0]; quote == '"' || quote == '\'' {
		if program, rest, found := strings.Cut(s[1:], s[:1]); found || quote == '"' {
			return strings.Trim(program, blanks), rest
		}
	}
	first := s
	if i := strings.IndexAny(s, blanks); i >= 0 {
		first = s[:i]
	}
	if len(first) > 2 && (first[1] == ':' && first[2] == '\\' || strings.HasPrefix(first, `\`)) {
		first = windowsPath(s, first)
	}
	return strings.ReplaceAll(first, `"`, ""), s[len(first):]
}

// windowsPath is the shortest beginning of a command line, in whole words, that
// ends as the name of a program does; else its first word. The line up to an
// option is looked at, as an argument may be a program too.
func windowsPath(s, first string) string {
	for end := len(first); ; {
		if isProgram(s[:end]) {
			return s[:end]
		}
		if end == len(s) {
			return first
		}
		next := strings.IndexAny(s[end+1:], blanks)
		word := s[end+1:]
		if next >= 0 {
			word = word[:next]
		}
		if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "/") || strings.ContainsAny(word, `":`) {
			return first
		}
		end += 1 + len(word)
	}
}

// blanks are between the words of a command line.
const blanks = " \t\r\n"

// AppendArguments appends the words of a command line, of which the first is the
// program. Quotes keep blanks in a word and are taken off; one behind a backslash
// is a character of the word. Single quotes are quotes where the program is not one
// of Windows.
func AppendArguments(words []string, commandLine string) []string {
	program, rest := cutProgram(commandLine)
	if program == "" {
		return words
	}
	words = append(words, program)
	quotes := `"'`
	if strings.IndexByte(program, '\\') >= 0 || isProgram(program) {
		quotes = `"`
	}
	for rest != "" {
		rest = strings.TrimLeft(rest, blanks)
		end, quoted := wordEnd(rest, quotes)
		word := rest[:end]
		if quoted {
			word = unquoteWord(word, quotes)
		}
		if word != "" {
			words = append(words, word)
		}
		rest = rest[end:]
	}
	return words
}

// wordEnd is where the first word of a command line ends, and whether it has
// quotes.
func wordEnd(s, quotes string) (end int, quoted bool) {
	var inside byte
	for i := range len(s) {
		switch c := s[i]; {
		case isQuote(s, i, quotes):
			quoted = true
			switch inside {
			case 0:
				inside = c
			case c:
				inside = 0
			}
		case inside == 0 && strings.IndexByte(blanks, c) >= 0:
			return i, quoted
		case c == '"':
			quoted = true // behind a backslash
		}
	}
	return len(s), quoted
}

// isQuote reports whether a character is a quote and not one of the word's own.
func isQuote(s string, i int, quotes string) bool {
	return strings.IndexByte(quotes, s[i]) >= 0 && (i == 0 || s[i-1] != '\\')
}

// unquoteWord takes the quotes off a word. One within quotes of the other kind is a
// character.
func unquoteWord(word, quotes string) string {
	if end := len(word) - 1; end > 0 && isQuote(word, 0, quotes) && word[end] == word[0] &&
		strings.IndexByte(word[1:end], word[0]) < 0 {
		return word[1:end] // nearly always
	}
	var b strings.Builder
	var inside byte
	for i := range len(word) {
		switch c := word[i]; {
		case c == '\\' && i+1 < len(word) && word[i+1] == '"':
		case isQuote(word, i, quotes) && (inside == 0 || inside == c):
			inside ^= c
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
