package defender

import (
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// gatheredInfo is what deviceGatheredInfo holds, of the fields that Elastic's package
// declares (MAPPING.md 5.5), and what the list of antivirus health has besides
// [device-health-export-antivirus-health-report-api.md]. The service writes one name
// in several ways (AvIsSignatureUptoDate and AvIsSignatureUpToDate, EBPFStatus,
// Log4j_CVE_2021_44228); which of them a tenant has is not known, and the rest stays
// under unknown. Times have a blank.
type gatheredInfo struct {
	Mode                    mapping.Field `json:"avMode"`                             // 0 to 5, as text: see avModes
	ModeRefreshed           mapping.Field `json:"avModeDataRefreshTime"`              // timestamp
	EngineVersion           mapping.Field `json:"avEngineVersion"`                    // 1.1.23100.2009
	EngineRing              mapping.Field `json:"avEngineRing"`                       // text
	EnginePublished         mapping.Field `json:"avEnginePublishTime"`                // timestamp
	EngineUpdated           mapping.Field `json:"avEngineUpdateTime"`                 // timestamp
	EngineUpToDate          mapping.Field `json:"avIsEngineUpToDate"`                 // True, False, Unknown
	EngineLoaded            mapping.Field `json:"isAvEngineLoaded"`                   // boolean
	PlatformVersion         mapping.Field `json:"avPlatformVersion"`                  // 4.18.23100.2009
	PlatformRing            mapping.Field `json:"avPlatformRing"`                     // text
	PlatformPublished       mapping.Field `json:"avPlatformPublishTime"`              // timestamp
	PlatformUpdated         mapping.Field `json:"avPlatformUpdateTime"`               // timestamp
	PlatformExpires         mapping.Field `json:"avPlatformExpirationTime"`           // timestamp
	PlatformUpToDate        mapping.Field `json:"avIsPlatformUpToDate"`               // True, False, Unknown
	SignatureVersion        mapping.Field `json:"avSignatureVersion"`                 // 1.403.1309.0
	SignatureRing           mapping.Field `json:"avSignatureRing"`                    // text
	SignaturePublished      mapping.Field `json:"avSignaturePublishTime"`             // timestamp
	SignatureUpdated        mapping.Field `json:"avSignatureUpdateTime"`              // timestamp
	SignatureRefreshed      mapping.Field `json:"avSignatureDataRefreshTime"`         // timestamp
	SignatureUpToDate       mapping.Field `json:"avIsSignatureUpToDate"`              // True, False, Unknown
	ScanResults             mapping.Field `json:"avScanResults"`                      // text or JSON
	QuickScanResult         mapping.Field `json:"quickScanResult"`                    // Completed, Canceled, Failed
	QuickScanError          mapping.Field `json:"quickScanError"`                     // 0x80508023
	QuickScanTime           mapping.Field `json:"quickScanTime"`                      // timestamp
	FullScanResult          mapping.Field `json:"fullScanResult"`                     // Completed, Canceled, Failed
	FullScanError           mapping.Field `json:"fullScanError"`                      // 0x80508023
	FullScanTime            mapping.Field `json:"fullScanTime"`                       // timestamp
	CloudProtection         mapping.Field `json:"cloudProtectionState"`               // text
	EBPFStatus              mapping.Field `json:"ebpfStatus"`                         // of Linux
	BootifulMind            mapping.Field `json:"bootifulMindStatus"`                 // text
	HeartbeatEventType      mapping.Field `json:"wdavorHeartbeatEventType"`           // text
	CVEScannerExecuted      mapping.Field `json:"localCveScannerExecuted"`            // text
	Log4j                   mapping.Field `json:"log4jCve202144228"`                  // text
	Log4jHandlersModified   mapping.Field `json:"log4jHandlersModified"`              // text
	Log4jVariableMitigation mapping.Field `json:"log4jEnvironmentVariableMitigation"` // text
	Spring4Shell            mapping.Field `json:"spring4shellCve202222965"`           // text
}

// table says where the vendor's object has it.
func (i *gatheredInfo) table(e *mapping.Envelope) mapping.Table {
	table := mapping.Table{
		mapping.To("av_mode_name", &i.Mode, avMode),
		mapping.Own(&i.ScanResults, e.JSON),
		mapping.To("log4j_cve_2021_44228", &i.Log4j, e.Text),
		mapping.To("spring4shell_cve_2022_22965", &i.Spring4Shell, e.Text),
	}
	flag := func(f *mapping.Field) ecs.Value {
		if f.Is("unknown") {
			return ecs.Value{}
		}
		return e.Boolean(f)
	}
	add := func(as func(*mapping.Field) ecs.Value, fields ...*mapping.Field) {
		for _, f := range fields {
			table = append(table, mapping.Own(f, as))
		}
	}
	add(e.Text,
		&i.Mode, &i.EngineVersion, &i.EngineRing, &i.PlatformVersion, &i.PlatformRing, &i.SignatureVersion, &i.SignatureRing,
		&i.QuickScanResult, &i.QuickScanError, &i.FullScanResult, &i.FullScanError, &i.CloudProtection, &i.EBPFStatus, &i.BootifulMind,
		&i.HeartbeatEventType, &i.CVEScannerExecuted, &i.Log4jHandlersModified, &i.Log4jVariableMitigation)
	add(flag, &i.EngineUpToDate, &i.EngineLoaded, &i.PlatformUpToDate, &i.SignatureUpToDate)
	add(e.Milliseconds,
		&i.ModeRefreshed, &i.EnginePublished, &i.EngineUpdated, &i.PlatformPublished, &i.PlatformUpdated, &i.PlatformExpires,
		&i.SignaturePublished, &i.SignatureUpdated, &i.SignatureRefreshed, &i.QuickScanTime, &i.FullScanTime)
	return table
}

// avModes are what the numbers of avMode mean
// [device-health-export-antivirus-health-report-api.md].
var avModes = [...]string{"Active", "Passive", "Disabled", "Other", "EDRBlocked", "PassiveAudit"}

// avMode is the word for a mode, absent for a number that is not known.
func avMode(f *mapping.Field) ecs.Value {
	if text := f.Text(); len(text) == 1 && text[0] >= '0' && int(text[0]-'0') < len(avModes) {
		return ecs.Text(avModes[text[0]-'0'])
	}
	return ecs.Value{}
}
