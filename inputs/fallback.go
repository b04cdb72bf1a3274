package inputs

// Refusal is why the other side does not take a document. It holds no value of
// the document and none of the other side's prose, which quotes values.
type Refusal struct {
	Status int    // HTTP status of the document or of its request; 0 where there is none
	Type   string // the other side's error type, such as document_parsing_exception; may be empty
	Field  string // the field that it names; may be empty
	// KeptAside says that the other side keeps the full document, at a place of
	// its own for what it could not store.
	KeptAside bool
}

// Fallback makes lesser forms of documents that the other side refuses, so that
// none is lost. A form has an id of its own that is derived from the document's:
// the same form is sent under the same id whenever it is made, and the full
// document can still be stored beside it. It is safe for concurrent use.
type Fallback interface {
	// Minimal has what identifies the record, and its original.
	Minimal(d Document, original []byte, r Refusal) Document
	// Bare has nothing that the record could spoil: no text of it.
	Bare(d Document, original []byte, r Refusal) Document
	// Record is the id of the document's record, for people; empty where it has
	// none.
	Record(d Document) string
}
