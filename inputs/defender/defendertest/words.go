package defendertest

import "strconv"

// scenario is what alerts of one kind have in common.
type scenario struct {
	source, category, title, description string
	family, threat                       string // empty is null
	techniques                           []string
}

// encoded is a scenario as the part of an alert that runs from detectionSource
// to title and description, and the two parts that follow later.
type encoded struct {
	detection, category, threat, techniques string
	customerTI                              bool
}

var scenarios = encodeScenarios([]scenario{
	{
		source: "WindowsDefenderAtp", category: "Execution", title: "Suspicious script run by a signed binary",
		description: "A signed system binary started a script from a folder that users can write to. Attackers use such binaries to run code past application control.\n\nThe script host opened a network connection shortly after it had started and then wrote a file that was run by another process.\tReview the process tree, the command lines and the files of this device, and find out how the script arrived; an e‑mail attachment or a downloaded archive is the usual way.\n\nConsider isolating the device while the investigation runs.",
		family:      "Wacatac", threat: "Trojan:Win32/Wacatac.B!ml", techniques: []string{"T1059.001", "T1218.011", "T1547.001"},
	},
	{
		source: "WindowsDefenderAv", category: "Malware", title: "'EICAR_Test_File' malware was detected",
		family: "EICAR_Test_File", threat: "Virus:DOS/EICAR_Test_File",
	},
	{
		source: "WindowsDefenderAv", category: "Malware", title: "'Emotet' malware was prevented",
		description: "Malware and unwanted software are undesirable applications that perform annoying, disruptive, or harmful actions on affected machines. Some of these undesirable applications can replicate and spread from one machine to another. Others are able to receive commands from remote attackers and perform activities associated with cyber attacks.\n\nThis detection might indicate that the malware was stopped from delivering its payload. However, it is prudent to check the machine for signs of infection.",
		family:      "Emotet", threat: "Trojan:Win32/Emotet.PA!MTB", techniques: []string{"T1566.001"},
	},
	{
		source: "WindowsDefenderAtp", category: "DefenseEvasion", title: "Suspicious process injection observed",
		description: "A process abnormally injected code into another process. As a result, unexpected code may be running in the target process memory. Injection is often used to hide malicious code execution within a trusted process.\u200b As a result, the target process may exhibit abnormal behaviors such as opening a listening port or connecting to a command and control server.\n\nCollect memory of the target process before it is ended.",
		techniques:  []string{"T1055", "T1055.012"},
	},
	{
		source: "WindowsDefenderAtp", category: "CommandAndControl", title: "Connection to a newly registered domain \"bad.example\"",
		description: "A process connected to a domain that was registered days ago and that few devices of other organisations have contacted. Requests were sent at regular intervals, which is how implants ask for commands.\n\nBlock the address with a custom indicator, and look for other devices that connected to it: C:\\Windows\\System32\\drivers\\etc\\hosts may have been changed as well.",
		techniques:  []string{"T1071.001", "T1568"},
	},
	{
		source: "CustomerTI", category: "null", title: "Custom indicator matched",
		description: "Line one\nline two",
	},
	{
		source: "AutomatedInvestigation", category: "SuspiciousActivity", title: "Automated investigation started manually",
		description: "analyst1@contoso.example started an automated investigation on the device. It collects the entities seen around the time it was started, gives each a verdict and proposes actions where the device group does not allow them without approval. The alert holds its progress and its findings; it is updated while the investigation runs and is resolved with it. Nothing has to be done unless actions are waiting for approval in the action centre.",
	},
	{
		source: "WindowsDefenderAtp", category: "CredentialAccess", title: "Possible theft of credentials from LSASS memory",
		description: "A process read the memory of lsass.exe in a way that tools for the theft of credentials do. The account that ran it is not among those that usually administer the device. Passwords and Kerberos tickets of everybody who is logged on, and of services, may be known to the attacker.\n\nReset the passwords of the accounts listed under logged-on users, look for logons of these accounts from other devices, and find out how the tool was brought in; it is seldom the first step of an attack. Größe und Prüfsumme der Datei sind bekannt.",
		family:      "Mimikatz", threat: "HackTool:Win32/Mimikatz.D", techniques: []string{"T1003.001", "T1003", "T1078"},
	},
	{
		source: "WindowsDefenderAtp", category: "Exploit", title: "Exploit guard blocked a child process",
		description: "An Office application tried to start a program, and a rule that reduces the attack surface blocked it. Documents with macros or with exploits start their payload that way.\n\nCheck where the document came from, whether others received it, and whether the same document was opened on a device where the rule only audits. If this is a known add-in of a line-of-business application, exclude its folder from the rule in place of switching it off.",
		techniques:  []string{"T1204.002"},
	},
})

func encodeScenarios(from []scenario) []encoded {
	to := make([]encoded, len(from))
	for i, s := range from {
		to[i] = encoded{
			detection: `,"detectionSource":` + quote(s.source),
			category: `,"category":` + quote(s.category) + `,"threatFamilyName":` + quoteOrNull(s.family) +
				`,"title":` + quote(s.title) + `,"description":` + quoteOrNull(s.description),
			threat:     `,"threatName":` + quoteOrNull(s.threat),
			techniques: `,"mitreTechniques":[`,
			customerTI: s.source == "CustomerTI",
		}
		for n, t := range s.techniques {
			if n > 0 {
				to[i].techniques += ","
			}
			to[i].techniques += quote(t)
		}
		to[i].techniques += "]"
	}
	return to
}

// Words that are appended as they are, between quotes: no character in them
// needs an escape in JSON, or it has it already.
var (
	users       = []string{"jdoe", "asmith", "mmuster", "svc-backup", "administrator", "kowalski", "o.nguyen", "Jane Roe"}
	groups      = []string{"Finance", "Servers", "Engineering", "UnassignedGroup", "Workstations EU"}
	severities  = []string{"UnSpecified", "Informational", "Low", "Low", "Medium", "Medium", "Medium", "High"}
	statuses    = []string{"New", "InProgress", "Resolved"}
	verdicts    = []string{"TruePositive", "FalsePositive", "InformationalExpectedActivity"}
	causes      = []string{"Malware", "Phishing", "SecurityTesting", "UnwantedSoftware", "LineOfBusinessApplication", "Clean", "Other"}
	progress    = []string{"Running", "PendingApproval", "SuccessfullyRemediated", "Benign", "UnsupportedAlertType", "TerminatedBySystem", "Queued"}
	files       = []string{"rundll32.exe", "x.dll", "invoice_2291.xlsm", "setup(1).exe", "powershell.exe", "update.ps1", "7z.exe", "Überweisung.pdf.exe"}
	folders     = []string{`C:\\Windows\\SysWOW64`, `c:\\temp`, `C:\\Users\\jdoe\\AppData\\Local\\Temp`, `C:\\Program Files\\Vendor\\App`, `/var/tmp`, `C:\\Users\\Public\\Downloads`}
	commands    = []string{`rundll32.exe c:\\temp\\x.dll,Start`, `powershell.exe -NoProfile -ExecutionPolicy Bypass -EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=`, `\"C:\\Program Files\\Vendor\\App\\app.exe\" --update --quiet`, `cmd.exe /c whoami /all & net group \"domain admins\" /domain`, `wscript.exe //B //E:jscript c:\\temp\\a.txt`}
	parents     = []string{"explorer.exe", "powershell.exe", "winword.exe", "services.exe", "svchost.exe"}
	urls        = []string{"https://bad.example/payload?id=1&x=%20", "http://198.51.100.23/a/b.php", "cdn.files.example", "https://login.contoso.example.bad.example/oauth2?client=4f2&state=a%2Fb"}
	keys        = []string{`SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run`, `SYSTEM\\CurrentControlSet\\Services\\Updater`, `S-1-5-21-1111111111-2222222222-333333333-1104\\Software\\Classes\\ms-settings`}
	hives       = []string{"HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER", "HKEY_USERS"}
	detections  = []string{`"Detected"`, `"Detected"`, `"Prevented"`, `"Blocked"`, "null"}
	platforms   = []string{"Windows11", "Windows10", "WindowsServer2019", "WindowsServer2022", "Ubuntu", "RedHatEnterpriseLinux", "macOS"}
	releases    = []string{"23H2", "22H2", "1809", "21H2", "22.4", "9.5", "14.5"}
	risks       = []string{"None", "Informational", "Low", "Medium", "High"}
	exposures   = []string{"None", "Low", "Medium", "High"}
	tags        = []string{"vip", "tier 1", "kiosk", "lab", "außendienst"}
	actions     = []string{"RunAntiVirusScan", "RunAntiVirusScan", "RunAntiVirusScan", "LiveResponse", "CollectInvestigationPackage", "CollectInvestigationPackage", "Isolate", "Isolate", "Isolate", "Unisolate", "StopAndQuarantineFile", "StopAndQuarantineFile", "RestrictCodeExecution", "UnrestrictCodeExecution", "Offboard"}
	requestors  = []string{"analyst1@contoso.example", "analyst1@contoso.example", "analyst2@contoso.example", "soc-automation"}
	stages      = []string{"Pending", "InProgress", "Succeeded"}
	healthiness = []string{"Active", "Active", "Active", "Inactive", "ImpairedCommunication", "NoSensorData"}
)

// appendText writes a member whose value is text that needs no escape.
func appendText(b []byte, name, text string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, text...)
	return append(b, '"')
}

// appendTextOr writes the text, or null.
func appendTextOr(b []byte, name, text string, present bool) []byte {
	if present {
		return appendText(b, name, text)
	}
	return appendNull(b, name)
}

func appendNull(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, `":null`...)
}

func appendTime(b []byte, name string, t ticks) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return t.appendJSON(b)
}

func appendNumber(b []byte, name string, n int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return strconv.AppendInt(b, int64(n), 10)
}
