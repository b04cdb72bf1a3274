package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestHelpNamesTheEnvironment: what the sources of the program read of it is in the
// page of help.
func TestHelpNamesTheEnvironment(t *testing.T) {
	listed := map[string]bool{}
	for _, v := range environment {
		for name := range strings.SplitSeq(v.name, ", ") {
			name, _, _ = strings.Cut(name, "=")
			listed[name] = true
		}
	}
	const own = `{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", own, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]*ast.File{} // by folder
	for file := range strings.FieldsSeq(string(out)) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		packages[filepath.Dir(file)] = append(packages[filepath.Dir(file)], parsed)
	}
	read := map[string]string{} // the package by the variable
	for dir, files := range packages {
		constants := constantsOf(files)
		for _, f := range files {
			for _, name := range variablesOf(f, constants) {
				read[name] = filepath.Base(dir)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		if !listed[name] {
			t.Errorf("%s reads %s, which help environment does not name", read[name], name)
		}
	}
	if len(read) < len(environment) {
		t.Errorf("found %d variables only", len(read))
	}
}

// constantsOf are the texts of a package's constants.
func constantsOf(files []*ast.File) map[string]string {
	constants := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
				for i, name := range spec.Names {
					if text, ok := textOf(spec.Values[i], nil); ok {
						constants[name.Name] = text
					}
				}
			}
			return true
		})
	}
	return constants
}

var variable = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// variablesOf are the variables that a file reads: what it gives to Getenv, LookupEnv
// and a function of such a name. Where that is no constant, all texts and constants in
// the file that look like a variable are.
func variablesOf(f *ast.File, constants map[string]string) (names []string) {
	unknown := false
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		function, ok := call.Fun.(*ast.Ident)
		if selector, is := call.Fun.(*ast.SelectorExpr); is {
			function, ok = selector.Sel, true
		}
		if !ok || !strings.EqualFold(function.Name, "getenv") && !strings.EqualFold(function.Name, "lookupenv") {
			return true
		}
		if text, ok := textOf(call.Args[0], constants); ok {
			names = append(names, text)
		} else {
			unknown = true
		}
		return true
	})
	if unknown {
		ast.Inspect(f, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if text, ok := textOf(e, constants); ok && variable.MatchString(text) {
					names = append(names, text)
				}
			}
			return true
		})
	}
	return names
}

// textOf is the text of a literal or a constant.
func textOf(e ast.Expr, constants map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, ok := constants[e.Name]
		return text, ok
	}
	return "", false
}
