package home

import (
	"strings"

	"golang.org/x/sys/windows/registry"
)

const services = `SYSTEM\CurrentControlSet\Services`

// servicePaths reads the executables of the agent's services from the registry.
// They are named "Elastic Agent" and "Elastic Agent - <namespace>".
func servicePaths() []string {
	all, err := registry.OpenKey(registry.LOCAL_MACHINE, services, registry.ENUMERATE_SUB_KEYS)
	if err != nil {
		return nil // the usual folder may do
	}
	defer all.Close()
	names, _ := all.ReadSubKeyNames(-1) // those that were read
	var paths []string
	for _, name := range names {
		if !strings.HasPrefix(name, "Elastic Agent") {
			continue
		}
		key, err := registry.OpenKey(all, name, registry.QUERY_VALUE)
		if err != nil {
			continue
		}
		if image, _, err := key.GetStringValue("ImagePath"); err == nil {
			paths = append(paths, imagePath(image))
		}
		key.Close()
	}
	return paths
}

// imagePath cuts quotes and arguments off.
func imagePath(image string) string {
	if rest, ok := strings.CutPrefix(image, `"`); ok {
		path, _, _ := strings.Cut(rest, `"`)
		return path
	}
	if i := strings.Index(strings.ToLower(image), ".exe"); i >= 0 {
		return image[:i+len(".exe")]
	}
	return image
}
