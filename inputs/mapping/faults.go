package mapping

import (
	"fmt"
	"slices"
)

// faults collects what could not be mapped in one record, by field. The record
// is published all the same, with the original beside it.
type faults []string

func (f *faults) add(field, want string, v Raw) {
	f.note(field + ": want " + want + ", got " + kindName(v.Kind()))
}

// note keeps a fault once: a value can go to several fields.
func (f *faults) note(fault string) {
	if !slices.Contains(*f, fault) {
		*f = append(*f, fault)
	}
}

// Note makes it a fault of the record that a field is not what it should be,
// such as "not a MAC address".
func (e *Envelope) Note(f *Field, fault string) { e.faults.note(f.Name + ": " + fault) }

// NoteBeyond makes it a fault that not all of a list was mapped.
func (e *Envelope) NoteBeyond(l *List) {
	if l.Beyond > 0 {
		e.faults.note(fmt.Sprintf("%s: %d of %d elements are in the original alone", l.Name, l.Beyond, l.Beyond+len(l.Elements)))
	}
}
