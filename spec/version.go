package spec

// Version is the version of the component and of the Fleet package. A build from
// a checkout adds "-dev" to it; TestOneVersion holds all places to it.
const Version = "1.0.0"
