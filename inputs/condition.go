package inputs

// Condition is a row of the health truth table: trouble that an input or an
// output can be in, what a unit then shows, and how it ends. Inputs and outputs
// bring the rows of what they talk to; package component/health has the others.
type Condition struct {
	Name string
	// Failed makes the state FAILED: nothing is collected or published until
	// somebody acts. Otherwise it is DEGRADED: trying continues.
	Failed bool
	// Message is the text. What is in braces is filled in from a Diagnosis:
	// {call}, {code}, {cause}, {remedy} and {target}. None of them changes while
	// the cause stays, and none holds a secret or what a tenant owns.
	Message string
	Clears  string // how it ends, for the documents
	// Worked is a warning: the attempt was a success all the same, and counts as one.
	Worked bool
	// Lasting is trouble that may be over with the next try: a unit that was
	// well shows it from the second failed poll in a row on.
	Lasting bool
	// Covers is trouble that does not take this one's place, since it is the same
	// nearer to its end. Nil for most.
	Covers *Condition
}

// Diagnosis is the condition that an error shows, with what fills its message.
type Diagnosis struct {
	Condition *Condition // nil where the error is of no kind that is known
	Call      string     // the request, such as "get /api/alerts"
	Code      string     // HTTP status and code of an answer; the text leaves out " ()" where there is none
	Cause     string     // a network's or a setting's own words
	Remedy    string     // what to do, where the row leaves that to the error
	Target    string     // index or data stream
}
