package mapping

import "testing"

func TestParseURL(t *testing.T) {
	for text, want := range map[string]struct {
		scheme, host, address string
		port                  int64
		path, query, fragment string
	}{
		"https://h.example:8443/p/f.exe?q=1#x": {"https", "h.example", "", 8443, "/p/f.exe", "q=1", "x"},
		"bad.example":                          {"", "bad.example", "", 0, "", "", ""},
		"Bad.Example.":                         {"", "bad.example", "", 0, "", "", ""},
		"bad.example/a.php":                    {"", "bad.example", "", 0, "/a.php", "", ""},
		"bad.example?x=1":                      {"", "bad.example", "", 0, "", "x=1", ""},
		"bad.example:8443/a.php?x=1":           {"", "bad.example", "", 8443, "/a.php", "x=1", ""},
		"localhost:80":                         {"", "localhost", "", 80, "", "", ""},
		"//bad.example/x":                      {"", "bad.example", "", 0, "/x", "", ""},
		"192.0.2.7":                            {"", "", "192.0.2.7", 0, "", "", ""},
		"192.0.2.7:8080/x":                     {"", "", "192.0.2.7", 8080, "/x", "", ""},
		"2001:db8::1":                          {"", "", "2001:db8::1", 0, "", "", ""},
		"[2001:db8::1]:443/x":                  {"", "", "2001:db8::1", 443, "/x", "", ""},
		"http://[fe80::1%25eth0]/":             {"http", "", "fe80::1", 0, "/", "", ""},
		"hxxps://bad[.]example[:]8443/x":       {"https", "bad.example", "", 8443, "/x", "", ""},
		"hXXp[:]//bad(.)example":               {"http", "bad.example", "", 0, "", "", ""},
		"hxxp[://]192[.]0[.]2[.]7/a":           {"http", "", "192.0.2.7", 0, "/a", "", ""},
		"bad[dot]example":                      {"", "bad.example", "", 0, "", "", ""},
		"http://user:pw@h.example/%20a":        {"http", "h.example", "", 0, "/ a", "", ""},
		"mailto:a@b.example":                   {"mailto", "", "", 0, "a@b.example", "", ""},
		"file:///C:/x.exe":                     {"file", "", "", 0, "/C:/x.exe", "", ""},
		"/only/a/path":                         {"", "", "", 0, "/only/a/path", "", ""},
	} {
		u, ok := ParseURL(text)
		address := ""
		if u.Address.IsValid() {
			address = u.Address.String()
		}
		if !ok || u.Scheme != want.scheme || u.Host != want.host || address != want.address || u.Port != want.port ||
			u.Path != want.path || u.Query != want.query || u.Fragment != want.fragment {
			t.Errorf("%s: got %+v, %v", text, u, ok)
		}
	}
	for _, text := range []string{"", "http://[bad", `C:\Windows\x.exe`, `\\server\share`, "two words", "http://", "a..b", "bad.example:99999", "*.bad.example"} {
		if u, ok := ParseURL(text); ok {
			t.Errorf("%q is taken for %+v", text, u)
		}
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string][]string{
		`rundll32.exe c:\temp\x.dll,Start`:                 {`rundll32.exe`, `c:\temp\x.dll,Start`},
		"\t\"C:\\Program Files\\V\\a.exe\"\t--run \"x y\"": {`C:\Program Files\V\a.exe`, `--run`, `x y`},
		`C:\Program Files\Example App\agent.exe -service`:  {`C:\Program Files\Example App\agent.exe`, `-service`},
		`C:\Windows\System32\cmd.exe /c dir`:               {`C:\Windows\System32\cmd.exe`, `/c`, `dir`},
		`C:\tool /run C:\x.exe`:                            {`C:\tool`, `/run`, `C:\x.exe`},
		"/usr/bin/python3\t-m  x":                          {"/usr/bin/python3", "-m", "x"},
		`a.exe /p:"x y" \"z\" ""`:                          {"a.exe", "/p:x y", `"z"`},
		`bash -c 'echo "a b"' x`:                           {"bash", "-c", `echo "a b"`, "x"},
		`cmd.exe /c it's "a 'b"`:                           {"cmd.exe", "/c", "it's", "a 'b"},
		`'/opt/my tool/run' now`:                           {"/opt/my tool/run", "now"},
		`"unterminated`:                                    {"unterminated"},
		``:                                                 nil,
	} {
		got := AppendArguments(nil, line)
		if len(got) != len(want) {
			t.Errorf("%s: got %q", line, got)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: got %q, want %q", line, got[i], want[i])
			}
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"fe80::1%12": "fe80::1", "fe80::1%eth0": "fe80::1", "[fe80::1%12]:443": "fe80::1", "[2001:db8::1]": "2001:db8::1", "192.0.2.7:80": "192.0.2.7",
		" 10.1.2.3 ": "10.1.2.3", "10.1.2.3/24": "10.1.2.3", "fe80::1%12/64": "fe80::1", "nowhere": "", "10.20.30": "", "": "",
	} {
		addr, ok := ParseAddress(text)
		if ok != (want != "") || ok && addr.String() != want {
			t.Errorf("%q: got %v, %v", text, addr, ok)
		}
	}
}

func TestHash(t *testing.T) {
	const sha1 = "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"
	for text, want := range map[string][2]string{
		sha1:                               {"sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		"d41d8cd98f00b204e9800998ecf8427e": {"md5", "d41d8cd98f00b204e9800998ecf8427e"},
		sha1[:39] + "x":                    {}, "a1": {}, "": {},
	} {
		if algorithm, hash := Hash(text); algorithm != want[0] || hash != want[1] {
			t.Errorf("%q: got %s %s", text, algorithm, hash)
		}
	}
}
