package mapping

import "github.com/defender-endpoint/defender-endpoint/ecs"

// Row says where a field of the record is in an object of the document.
type Row struct {
	to   string // name there
	from *Field
	as   func(*Field) ecs.Value
}

// Own is a field under the name that it has in the vendor's object, which its
// decoder has given it. as makes its value (Envelope.Text and its neighbours); it
// is not called for what is blank.
func Own(from *Field, as func(*Field) ecs.Value) Row { return Row{from.Own, from, as} }

// To is a field under another name, such as that of an ECS field.
func To(name string, from *Field, as func(*Field) ecs.Value) Row { return Row{name, from, as} }

// OwnList is a list under its own name, mapped element by element; one element
// alone where it came without a list around it.
func (e *Envelope) OwnList(l *List, element func(Raw) ecs.Value) Row {
	return Own(&l.Field, func(*Field) ecs.Value { return l.OneOrMany(e.Map(l, element)) })
}

// Table is what is set in one object, in this order.
type Table []Row

// Fill sets what the table says. Absent values change nothing.
func (t Table) Fill(o *ecs.Object) {
	for i := range t {
		f := t[i].from
		if Blank(f.Value) {
			continue
		}
		o.Set(t[i].to, t[i].as(f))
	}
}
