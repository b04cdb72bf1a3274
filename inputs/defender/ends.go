package defender

import (
	"fmt"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// credentialsEnd is the row of credentials that will end soon; collecting continues.
var credentialsEnd = &inputs.Condition{
	Name: "credentials end soon", Worked: true,
	Message: "the {cause}; collecting stops then; {remedy}",
	Clears:  "with the first full poll with credentials that last longer than secret_expiry_warning",
}

// endsSoon is the warning about credentials that work and will end.
type endsSoon struct {
	what, remedy string
	end          time.Time
}

func (e *endsSoon) Error() string {
	return fmt.Sprintf("%s ends on %s", e.what, e.end.UTC().Format(time.DateOnly))
}

func (e *endsSoon) diagnose() inputs.Diagnosis {
	return inputs.Diagnosis{Condition: credentialsEnd, Cause: e.Error(), Remedy: e.remedy}
}

// warning is the warning about credentials that end then; nil where none is due.
func (c *Config) warning(end, now time.Time) error {
	if end.IsZero() || c.SecretExpiryWarning == 0 || now.Before(end.Add(-c.SecretExpiryWarning)) {
		return nil
	}
	if c.Certificate != "" {
		return &endsSoon{"certificate", "make a new one, upload it to the application and set it in certificate", end}
	}
	// The day that was entered: the end is the one of that day.
	return &endsSoon{"client secret", "create a new one, enter its value and client_secret_expires", end.Add(-time.Second)}
}
