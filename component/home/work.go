package home

import "path/filepath"

// WorkFolders are the folders in which the agent's home in use runs the components
// of an input type: <home>/run/<component id>, which begins with the type (AGENT.md
// 1.3). top is as in Options; the error is that of finding the agent.
func WorkFolders(top, input string) ([]string, error) {
	a, err := Options{Top: top}.find()
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(string(a.home), "run", input+"-*"))
}
