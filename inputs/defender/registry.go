package defender

import "strings"

// hives are the short names of ECS, by what Windows and PowerShell call them, in
// capitals.
var hives = map[string]string{
	"HKEY_CLASSES_ROOT": "HKCR", "HKEY_CURRENT_CONFIG": "HKCC", "HKEY_CURRENT_USER": "HKCU",
	"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU", "HKEY_PERFORMANCE_DATA": "HKPD",
	"HKCR": "HKCR", "HKCC": "HKCC", "HKCU": "HKCU", "HKLM": "HKLM", "HKU": "HKU", "HKPD": "HKPD",
}

// apiHives are the words of .NET and of Microsoft Graph. A key may begin with one
// of them without it being a hive.
var apiHives = map[string]string{
	"CLASSESROOT": "HKCR", "CURRENTCONFIG": "HKCC", "CURRENTUSER": "HKCU", "LOCALMACHINE": "HKLM", "USERS": "HKU",
}

// kernelHives are the roots of the kernel's names for keys: \REGISTRY\MACHINE.
var kernelHives = map[string]string{"MACHINE": "HKLM", "USER": "HKU"}

// registryHive is a hive as ECS abbreviates it, "" where ECS has no name for it:
// the vendor's field has it then.
func registryHive(hive string) string {
	name := strings.ToUpper(strings.Trim(hive, `:\ `))
	if short, ok := hives[name]; ok {
		return short
	}
	if below, ok := strings.CutPrefix(name, `REGISTRY\`); ok {
		return kernelHives[below]
	}
	return apiHives[name]
}

// splitRegistryKey cuts the hive off a key, in whichever way that is written:
// HKEY_LOCAL_MACHINE\SOFTWARE, HKLM:\SOFTWARE, Computer\HKLM\SOFTWARE,
// \REGISTRY\MACHINE\SOFTWARE, Registry::HKLM\SOFTWARE. hive is "" where the key has
// none.
func splitRegistryKey(text string) (hive, key string) {
	rest := strings.Trim(strings.TrimSpace(text), `\`)
	if i := strings.Index(rest, "::"); i >= 0 {
		rest = strings.TrimLeft(rest[i+2:], `\`) // PowerShell's provider
	}
	known := hives
	first, below, _ := strings.Cut(rest, `\`)
	switch {
	case strings.EqualFold(first, "computer"), strings.EqualFold(first, "my computer"):
		first, below, _ = strings.Cut(below, `\`)
	case strings.EqualFold(first, "registry"):
		first, below, _ = strings.Cut(below, `\`)
		known = kernelHives
	}
	if short, ok := known[strings.ToUpper(strings.TrimRight(first, ": "))]; ok {
		return short, strings.Trim(below, `\`)
	}
	return "", rest
}

// registryTypes are ECS's names of value types by those of .NET, of Microsoft's
// APIs and of Windows's numbers, in lower case.
var registryTypes = map[string]string{
	"none": "REG_NONE", "string": "REG_SZ", "expandstring": "REG_EXPAND_SZ", "multistring": "REG_MULTI_SZ",
	"binary": "REG_BINARY", "dword": "REG_DWORD", "qword": "REG_QWORD", "link": "REG_LINK",
	"dwordlittleendian": "REG_DWORD", "dwordbigendian": "REG_DWORD_BIG_ENDIAN", "qwordlittleendian": "REG_QWORD",
	"sz": "REG_SZ", "expandsz": "REG_EXPAND_SZ", "multisz": "REG_MULTI_SZ", "resourcelist": "REG_RESOURCE_LIST",
	"0": "REG_NONE", "1": "REG_SZ", "2": "REG_EXPAND_SZ", "3": "REG_BINARY", "4": "REG_DWORD",
	"5": "REG_DWORD_BIG_ENDIAN", "6": "REG_LINK", "7": "REG_MULTI_SZ", "11": "REG_QWORD",
}

// registryType is a value's type as ECS names it, "" where it is not a type of
// Windows: the vendor's field has it then.
func registryType(text string) string {
	name := strings.ToLower(text)
	name = strings.ReplaceAll(strings.TrimPrefix(name, "reg_"), "_", "")
	return registryTypes[name]
}
