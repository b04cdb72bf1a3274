package defender

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// TestPaceIsThatOfTheApplication: another secret, unit or host spends the same
// quota; another application or tenant has its own.
func TestPaceIsThatOfTheApplication(t *testing.T) {
	in := New("test")
	open := func(tenant, application string, secret inputs.Secret, url string) func() int {
		c := defaults()
		c.TenantID, c.ClientID, c.ClientSecret, c.URL, c.LoginURL = tenant, application, secret, url, "https://login.example"
		client, release, err := in.client(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		return func() int { return client.Quota().MinuteLeft }
	}
	const us, eu = "https://us.api.security.microsoft.com", "https://eu.api.security.microsoft.com"
	first := open("Contoso.example", "app-1", "one", us)
	same := []func() int{open("contoso.example", "APP-1", "two", us), open("contoso.example", "app-1", "one", eu)}
	others := []func() int{open("contoso.example", "app-2", "one", us), open("fabrikam.example", "app-1", "one", us)}

	c := defaults()
	c.TenantID, c.ClientID = "contoso.example", "app-1"
	if first() != 100 {
		t.Fatalf("%d calls left before the first", first())
	}
	in.pace(c).SetLimit(api.Limit{PerMinute: 1, PerHour: 1})
	for _, left := range append(same, first) {
		if left() != 1 {
			t.Errorf("%d calls left, want the 1 of the shared pace", left())
		}
	}
	for _, left := range others {
		if left() != 100 {
			t.Errorf("another application has %d calls left", left())
		}
	}
}
