package defender

import "testing"

func TestSplitRegistryKey(t *testing.T) {
	for text, want := range map[string][2]string{
		`SOFTWARE\X`:                     {"", `SOFTWARE\X`},
		`HKEY_LOCAL_MACHINE\SOFTWARE\X`:  {"HKLM", `SOFTWARE\X`},
		`hklm:\SOFTWARE\X\`:              {"HKLM", `SOFTWARE\X`},
		`Computer\HKEY_USERS\S-1-5-21\X`: {"HKU", `S-1-5-21\X`},
		`\REGISTRY\USER\S-1-5-21\X`:      {"HKU", `S-1-5-21\X`},
		`Registry::HKEY_CURRENT_USER\X`:  {"HKCU", "X"},
		`HKEY_CURRENT_USER`:              {"HKCU", ""},
		`Users\Public`:                   {"", `Users\Public`},
		`\HKCR\.exe`:                     {"HKCR", ".exe"},
		``:                               {"", ""},
	} {
		if hive, key := splitRegistryKey(text); hive != want[0] || key != want[1] {
			t.Errorf("%q: got %q, %q", text, hive, key)
		}
	}
	for text, want := range map[string]string{
		"HKEY_LOCAL_MACHINE": "HKLM", "hkcu": "HKCU", "LocalMachine": "HKLM", "Users": "HKU", `\REGISTRY\MACHINE`: "HKLM", "HKLM:": "HKLM", "other": "", "": "",
	} {
		if got := registryHive(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
	for text, want := range map[string]string{"ExpandString": "REG_EXPAND_SZ", "REG_MULTI_SZ": "REG_MULTI_SZ", "dword": "REG_DWORD", "4": "REG_DWORD", "REG_SZ": "REG_SZ", "odd": ""} {
		if got := registryType(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestOSType(t *testing.T) {
	for platform, want := range map[string]string{
		"Windows11": "windows", "WindowsServer2022": "windows", "Windows": "windows", "macOS": "macos", "Linux": "linux", "Ubuntu": "linux",
		"RedHatEnterpriseLinux": "linux", "CentOS": "linux", "Debian": "linux", "Fedora": "linux", "Mariner": "linux", "AzureLinux": "linux", "Rocky": "linux",
		"SLES": "linux", "AlmaLinux": "linux", "OracleLinux": "linux", "iOS": "ios", "iPadOS": "ios", "Android": "android", "CiscoIOS": "", "CiscoIOSXE": "", "Other": "", "Unknown": "", "": "",
	} {
		if got := osType(platform); got != want {
			t.Errorf("%s: got %q, want %q", platform, got, want)
		}
	}
}

func TestPortal(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.security.microsoft.com": "https://security.microsoft.com/alerts/a%2Fb?tid=t", "https://api-gov.securitycenter.microsoft.us": "", "https://api.example.cn": "",
	} {
		c := configOf(alertResource)
		c.URL = address
		if got := portalOf(c).page("alerts", "a/b", "t"); got.Present() != (want != "") || got.Present() && got.String() != want {
			t.Errorf("%s: got %q", address, got.String())
		}
	}
	if p := portalOf(configOf(alertResource)); p.page("incidents", "0", "t").Present() || p.page("alerts", "", "t").Present() {
		t.Error("a page of nothing")
	}
}
