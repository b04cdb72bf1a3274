package ecs

import "time"

// Several documents made of one record differ in a part of it only: those of an
// alert with three evidence items have some 40 fields and 1.2 KB in common.
// Keep and Rewind let them be mapped and encoded once.
//
// A kept object is never changed. Anyone who asks for one in order to change it
// gets a copy, and so do the objects around it, since the way to an object goes
// through them. So a kept object's JSON holds for ever and is made once; a copy
// takes it over for the members that it has from the kept object, until one of
// those is changed.

// Mark is a state of a document to which it can be brought back. The zero Mark
// is that of an empty document.
type Mark struct {
	root                  *Object
	used, values, encoded int
}

// layer is what an object knows of having been kept.
type layer struct {
	kept bool
	// The first done members are encoded[start:end] of the document.
	done, start, end int
}

// Keep makes what is in the document now the base of those that follow.
// Objects that were taken from the document before must not be changed any more:
// take them again.
func (d *Document) Keep() Mark {
	if d.root != nil {
		for i := range d.root.members {
			if o := d.root.members[i].value.Object(); o != nil {
				o.keep()
			}
		}
		d.root.kept = true
	}
	return Mark{d.root, d.used, len(d.values), len(d.encoded)}
}

// keep encodes an object for good, those in it first.
func (o *Object) keep() {
	if o.kept {
		return
	}
	for i := range o.members {
		if child := o.members[i].value.Object(); child != nil {
			child.keep()
		}
	}
	d := o.doc
	start := len(d.encoded)
	d.encoded = o.appendMembers(d.encoded, true)
	o.layer = layer{kept: true, done: len(o.members), start: start, end: len(d.encoded)}
}

// Rewind brings the document back to a mark and forgets marks set since. What is
// beyond the mark is memory for the next document.
func (d *Document) Rewind(m Mark) {
	d.ID, d.Timestamp = "", time.Time{}
	d.root, d.used = m.root, m.used
	d.values, d.encoded = d.values[:m.values], d.encoded[:m.encoded]
}

// own is the object itself, or a copy that may be changed.
func (o *Object) own() *Object {
	if !o.kept {
		return o
	}
	c := o.doc.newObject()
	c.members = append(c.members, o.members...)
	c.layer = o.layer
	c.kept = false
	return c
}

func (o *Object) add(name string, v Value) {
	o.mustOwn()
	o.members = append(o.members, member{name, v})
}

func (o *Object) replace(i int, v Value) {
	o.mustOwn()
	if i < o.done {
		o.done = 0
	}
	o.members[i].value = v
}

// mustOwn finds a mapper that continues with an object it took before Keep.
func (o *Object) mustOwn() {
	if o.kept {
		panic("ecs: an object that was kept is changed")
	}
}
