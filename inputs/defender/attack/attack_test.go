package attack

import (
	"strings"
	"testing"
)

func TestTacticOf(t *testing.T) {
	for text, want := range map[string]Tactic{
		"DefenseEvasion":               {"TA0005", "Defense Evasion"},
		"defense evasion":              {"TA0005", "Defense Evasion"},
		"Stealth":                      {"TA0005", "Stealth"},
		"DefenseImpairment":            {"TA0112", "Defense Impairment"},
		"command-and-control":          {"TA0011", "Command and Control"},
		"ResourceDevelopment":          {"TA0042", "Resource Development"},
		"Malware":                      {},
		"":                             {},
		"SuspiciousActivity":           {},
		"PreAttack":                    {},
		"resourcedevelopment and more": {},
	} {
		if got, ok := TacticOf(text); got != want || ok != (want != Tactic{}) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestParseTechnique(t *testing.T) {
	for text, want := range map[string][2]string{
		"T1059":      {"T1059", ""},
		" t1562.001": {"T1562", "T1562.001"},
		"TA0005":     {}, "T105": {}, "T1059.01": {}, "T1059.0011": {}, "T1059-001": {}, "T10x9": {}, "": {}, "1059": {}, ".1059": {},
	} {
		technique, sub, ok := ParseTechnique(text)
		if technique != want[0] || sub != want[1] || ok != (want[0] != "") {
			t.Errorf("%q: got %q, %q, %v", text, technique, sub, ok)
		}
	}
}

// TestTechniqueNames: every line has an id that ParseTechnique takes and a name;
// revoked ids keep their last one.
func TestTechniqueNames(t *testing.T) {
	if len(techniques) < 800 {
		t.Errorf("%d techniques", len(techniques))
	}
	for id, name := range techniques {
		if _, _, ok := ParseTechnique(id); !ok || name == "" || strings.Contains(name, `"`) {
			t.Errorf("%s: %q", id, name)
		}
	}
	for id, want := range map[string]string{
		"T1059": "Command and Scripting Interpreter", "T1562": "Impair Defenses", "T1562.001": "Disable or Modify Tools",
		"T1064": "Scripting", "T1085": "Rundll32", "T9999": "",
	} {
		if got := TechniqueName(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}
