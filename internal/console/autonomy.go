package console

import (
	"errors"
	"net/http"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// autonomy is the page of what happens without a person.
type autonomy struct {
	Level     cluster.Level
	Schedules []cluster.ScheduleState
	// Acting are the kinds of which something can happen by itself, Asking those of which nothing can, Off those that are off.
	Acting, Asking, Off []deedOf
	Orders              []order
	// Paused tells that the whole cluster is paused.
	Paused *cluster.Order
	// Unknown says why nothing is known.
	Unknown string
}

// deedOf is one kind of action.
type deedOf struct {
	api.KindAutonomy
	// What says what is done.
	What string
	// Advance are approvals in advance of it.
	Advance []cluster.Order
}

func (c *Console) autonomy(r *http.Request, p person) (name, title, here string, body any, err error) {
	var v autonomy
	a, err := p.client.Autonomy(r.Context())
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		v.Unknown = err.Error()
		return "autonomy", "Autonomy", "autonomy", v, nil
	}
	if err != nil {
		return "", "", "", nil, err
	}
	v.Level, v.Schedules, v.Orders = a.Level, a.Schedules, ordersOf(a.Orders)
	for i, o := range a.Orders {
		if o.Kind == cluster.OrderPause && o.Subject == "cluster" {
			v.Paused = &a.Orders[i]
		}
	}
	for _, one := range a.Kinds {
		k := deedOf{KindAutonomy: one, What: deed(one.Level.Policy)}
		for _, o := range a.Orders {
			if o.Kind == cluster.OrderApprove && o.Policy == one.Level.Policy {
				k.Advance = append(k.Advance, o)
			}
		}
		switch {
		case one.Level.Level == cluster.LevelOff:
			v.Off = append(v.Off, k)
		case one.ByItself == "":
			v.Asking = append(v.Asking, k)
		default:
			v.Acting = append(v.Acting, k)
		}
	}
	return "autonomy", "Autonomy", "autonomy", v, nil
}

// deed says what a kind of action does, to who does not know the word.
func deed(policy string) string {
	return map[string]string{
		"rules": "moves VMs so that rules about them are kept", "evacuate": "moves VMs away from a host that is to be emptied", "quarantine": "moves VMs away from a host that is ill",
		"balance": "moves VMs so that they get what they want", cluster.Power: "puts hosts to sleep that are not needed, and wakes them", cluster.Restart: "starts VMs again that a failure stopped",
		"move": "moves a VM when a person or a runbook asks for it", "start": "starts a VM when a person or a runbook asks for it", "shutdown": "shuts a VM down when a person or a runbook asks for it",
		"reset": "resets a VM that hangs, or when a person or a runbook asks for it", "suspend": "stops a VM when a person or a runbook asks for it", "resume": "lets a stopped VM go on when a person or a runbook asks for it",
		"move-storage": "copies the disks of a VM to another pool when a person or a runbook asks for it", "maintenance": "keeps a host empty when a person or a runbook asks for it", "fence": "turns a host off for certain that failed",
		"forget": "takes away the definition of a VM from a host where it no longer runs", "standby": "empties a host and turns it off", "wake": "turns a host on again that sleeps",
	}[policy]
}
