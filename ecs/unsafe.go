package ecs

import "unsafe"

// All that is unsafe is here. It is safe for what the package promises: a value
// is never changed, a record is not overwritten while its document is in use,
// and what a pointer points to is known from the kind that was set along with it.

// Value is one value of a field. The zero Value is absent.
//
// It is 24 bytes, which go through registers: with a field of its own for a
// text, a list and an object it was 64, and mapping and encoding a record took
// 9% (machines) to 14% (alerts) longer.
type Value struct {
	kind kind
	num  int64          // the number, or the length of what ref points to
	ref  unsafe.Pointer // to the bytes of a text, the elements of a list, or an Object
}

func textValue(k kind, s string) Value {
	return Value{kind: k, num: int64(len(s)), ref: unsafe.Pointer(unsafe.StringData(s))} //nolint:gosec // see above
}

func listValue(list []Value) Value {
	return Value{kind: kindList, num: int64(len(list)), ref: unsafe.Pointer(unsafe.SliceData(list))} //nolint:gosec // see above
}

func objectValue(o *Object) Value {
	return Value{kind: kindObject, ref: unsafe.Pointer(o)} //nolint:gosec // see above
}

// text, list and object are for values of their kinds only.
func (v *Value) text() string    { return unsafe.String((*byte)(v.ref), v.num) } //nolint:gosec // see above
func (v *Value) list() []Value   { return unsafe.Slice((*Value)(v.ref), v.num) } //nolint:gosec // see above
func (v *Value) object() *Object { return (*Object)(v.ref) }

// Alias is b as a string without a copy, valid for as long as b is not changed:
// most values of a record are only compared, or copied once into the encoded
// document.
func Alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // see above

// bytesOf is s as bytes without a copy, which must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) } //nolint:gosec // see above
