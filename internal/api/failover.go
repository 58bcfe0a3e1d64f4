package api

import "github.com/evenkeel/evenkeel/analyzer/admission"

// FailoverProof is how many of the failures that the cluster is to survive it would, by a placement that was found for each.
type FailoverProof struct {
	Proven int `json:"proven"`
	Of     int `json:"of"`
	// Broken are those that it would not survive, or for which no placement was found.
	Broken []FailoverGap `json:"broken,omitempty"`
}

// FailoverGap is a failure that the cluster is not proven to survive.
type FailoverGap struct {
	// Kind is host, domain, percent or spare, Subject the host, the domain, or cpu or memory.
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	// Unproven tells that no placement was found, and that there is none was not proven either.
	Unproven bool   `json:"unproven,omitempty"`
	Reason   string `json:"reason"`
}

// proofOf sums up what the analyzer found about failures; nil where it was not asked.
func proofOf(r admission.Report) *FailoverProof {
	if len(r.Cases) == 0 {
		return nil
	}
	p := &FailoverProof{Of: len(r.Cases)}
	for _, c := range r.Cases {
		if c.OK {
			p.Proven++
			continue
		}
		p.Broken = append(p.Broken, FailoverGap{Kind: c.Kind, Subject: c.Subject, Unproven: c.Unproven, Reason: c.Reason})
	}
	return p
}
