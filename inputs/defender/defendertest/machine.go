package defendertest

import "strconv"

func appendMachineID(w *world, b []byte, sequence uint32) []byte {
	d := throw(w.seed, streamMachineID, uint64(sequence))
	return d.hex(b, 20)
}

// appendMachineName writes a machine's name as every record spells it: mostly
// qualified, some short and in capitals, few unknown.
func appendMachineName(w *world, b []byte, machine int) []byte {
	d := throw(w.seed, streamMachineID, uint64(machine))
	switch d.Uint64(); d.below(16) {
	case 0:
		return appendNull(b, "computerDnsName")
	case 1, 2, 3:
		b = append(b, `,"computerDnsName":"LAB-PC`...)
		return append(strconv.AppendInt(b, int64(machine), 10), '"')
	}
	b = append(b, `,"computerDnsName":"ws-`...)
	b = strconv.AppendInt(b, int64(machine), 10)
	return append(b, `.corp.contoso.example"`...)
}

// appendMachine writes a machine. What changes with a revision is its risk, its
// exposure and its tags: things that move without a new report of the device.
func appendMachine(w *world, b []byte, r record, _ bool) []byte {
	d := throw(w.seed, streamMachine, uint64(r.sequence))
	b = append(b, `{"id":"`...)
	b = append(appendMachineID(w, b, r.sequence), '"')
	if d.one(32) {
		b = append(b, `,"mergedIntoMachineId":"`...)
		b = appendMachineID(w, b, r.sequence/2)
		b = append(b, `","isPotentialDuplication":true,"isExcluded":true,"exclusionReason":"Duplicate device"`...)
	} else {
		b = append(b, `,"mergedIntoMachineId":null,"isPotentialDuplication":false,"isExcluded":false,"exclusionReason":null`...)
	}
	b = appendMachineName(w, b, int(r.sequence))
	b = appendTime(b, "firstSeen", r.created-d.span(day, 200*day))
	b = appendTime(b, "lastSeen", r.time)
	if d.one(24) {
		b = append(b, unknownSystem...)
	} else {
		b = appendSystem(b, &d)
	}
	b = appendMachineState(b, &d, int(r.revision))
	b = appendAddresses(b, &d)
	b = append(b, `,"vmMetadata":`...)
	if !d.one(6) {
		return append(b, "null}"...)
	}
	b = append(b, `{"vmId":"`...)
	b = append(d.guid(b), `","cloudProvider":"Azure","resourceId":"/subscriptions/8700d3a3-3bb7-4fbe-a090-488a1ad04161/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm`...)
	b = strconv.AppendUint(b, uint64(r.sequence), 10)
	return append(b, `","subscriptionId":"8700d3a3-3bb7-4fbe-a090-488a1ad04161"}}`...)
}

// unknownSystem is a device that was seen on the network only.
const unknownSystem = `,"osPlatform":"Unknown","osVersion":null,"osProcessor":null,"version":null,"lastIpAddress":null,"lastExternalIpAddress":null,"agentVersion":null,"osBuild":null,"onboardingStatus":"InsufficientInfo","osArchitecture":null`

func appendSystem(b []byte, d *dice) []byte {
	system := d.below(len(platforms))
	b = appendText(b, "osPlatform", platforms[system])
	b = append(b, `,"osVersion":null,"osProcessor":"x64"`...)
	b = appendText(b, "version", releases[system])
	b = append(b, `,"lastIpAddress":"`...)
	b = append(d.ipv4(b, "10.20."), `","lastExternalIpAddress":"`...)
	if d.one(4) {
		b = append(b, `2001:db8:cf40::1"`...)
	} else {
		b = append(d.ipv4(b, "203.0."), '"')
	}
	b = appendText(b, "agentVersion", "10.8790.22631.5608")
	b = appendNumberOr(b, "osBuild", 19000+d.below(4000), system < 4)
	b = appendText(b, "onboardingStatus", "Onboarded")
	return appendText(b, "osArchitecture", "64-bit")
}

func appendMachineState(b []byte, d *dice, revision int) []byte {
	b = appendText(b, "healthStatus", d.pick(healthiness))
	b = appendTextOr(b, "deviceValue", "Normal", !d.one(8))
	group := d.below(len(groups))
	b = appendNumber(b, "rbacGroupId", group)
	b = appendTextOr(b, "rbacGroupName", groups[group], group > 0)
	b = appendText(b, "riskScore", risks[(d.below(len(risks))+revision)%len(risks)])
	b = appendText(b, "exposureLevel", exposures[(d.below(len(exposures))+revision)%len(exposures)])
	switch d.below(3) {
	case 0:
		b = append(b, `,"isAadJoined":false,"aadDeviceId":null`...)
	case 1:
		b = append(b, `,"isAadJoined":true,"aadDeviceId":null`...)
	default:
		b = append(b, `,"isAadJoined":true,"aadDeviceId":"`...)
		b = append(d.guid(b), '"')
	}
	b = append(b, `,"machineTags":[`...)
	for i := range (d.below(3) + revision) % 4 {
		b = append(separate(b, i), '"')
		b = append(append(b, tags[i]...), '"')
	}
	b = append(b, ']')
	b = appendText(b, "managedBy", "MicrosoftDefenderForEndpoint")
	return appendText(b, "managedByStatus", "Success")
}

// appendAddresses includes what real lists do: loopback without a hardware
// address, adapters that are down and have an empty address.
func appendAddresses(b []byte, d *dice) []byte {
	b = append(b, `,"ipAddresses":[`...)
	n := d.below(5)
	for i := range n {
		b = append(separate(b, i), `{"ipAddress":"`...)
		switch i {
		case 0, 1:
			b = append(d.ipv4(b, "10.20."), `","macAddress":"00005E0053`...)
			b = append(d.hex(b, 1), `","type":"Ethernet","operationalStatus":"Up"}`...)
		case 2:
			b = append(b, `127.0.0.1","macAddress":null,"type":"SoftwareLoopback","operationalStatus":"Up"}`...)
		default:
			b = append(b, `","macAddress":"000000000000","type":"Other","operationalStatus":"Down"}`...)
		}
	}
	return append(b, ']')
}
