package defender_test

// knownGaps are the rows of TestHostileServers whose promise is not kept yet, and
// what the run showed when the row was written. The list may only shrink.
var knownGaps = map[string]string{
	// 2. Pages that are too large for the server, or that $expand breaks, are not made smaller.
	"$expand gives 500 for every alert": "lost 61 of 61, 500 InternalServerError: Internal Server Error",
	"$expand gives 500 for one alert":   "lost 11 of 61, 500 InternalServerError: Internal Server Error",

	// 6. One record that cannot be served holds up its neighbours, or is not accounted for.
	"alerts, one poisoned record: 500":                       "lost 21 of 121, 500 InternalServerError: Internal Server Error; not accounted for",
	"alerts, one poisoned record: NaN":                       "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"alerts, one poisoned record: control character":         "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"alerts, one poisoned record: cut":                       "lost 20 of 121, the answer was cut short; not accounted for",
	"alerts, one poisoned record: cut cleanly":               "lost 20 of 121, 200 OK: the answer was cut short; not accounted for",
	"alerts, one poisoned record: nesting":                   "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"machineactions, one poisoned record: 500":               "lost 21 of 121, 500 InternalServerError: Internal Server Error; not accounted for",
	"machineactions, one poisoned record: NaN":               "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"machineactions, one poisoned record: control character": "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"machineactions, one poisoned record: cut":               "lost 20 of 121, the answer was cut short; not accounted for",
	"machineactions, one poisoned record: cut cleanly":       "lost 20 of 121, 200 OK: the answer was cut short; not accounted for",
	"machineactions, one poisoned record: nesting":           "lost 20 of 121, 200 OK: the answer is no valid JSON; not accounted for",
	"machines, one poisoned record: 500":                     "lost 20 of 121, 500 InternalServerError: Internal Server Error; not accounted for",
	"machines, one poisoned record: NaN":                     "not accounted for",
	"machines, one poisoned record: control character":       "not accounted for",
	"machines, one poisoned record: cut":                     "not accounted for",
	"machines, one poisoned record: cut cleanly":             "not accounted for",
	"machines, one poisoned record: nesting":                 "not accounted for",

	// 14. More calls than a poll needs.
}
