package energy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// joules are in a watt-hour.
const joules = 3600

// collector publishes what hosts draw and saved.
type collector struct{ room *Room }

func wattsDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_power_watts", "What the host draws, by who says so: redfish, dcmi, ipmi, or curve where its BMC does not tell.", []string{"host", "source"}, nil)
}

func idleDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_power_idle_watts", "What the host draws with nothing to do, as it was measured before it fell asleep (measured) or as its curve says (curve).", []string{"host", "source"}, nil)
}

func savedDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_power_saved_joules_total", "What the host would have drawn awake and idle while it slept, less what it drew.", []string{"host"}, nil)
}

func spentDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_power_spent_joules_total", "What falling asleep and waking took, by the configuration's cycle_wh.", []string{"host"}, nil)
}

func sleptDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_slept_seconds_total", "How long evenkeel kept the host off.", []string{"host"}, nil)
}

func priceDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_power_price_per_kilowatt_hour", "What a kilowatt-hour costs, by the configuration.", []string{"currency"}, nil)
}

func carbonDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_power_carbon_grams_per_kilowatt_hour", "What is emitted for a kilowatt-hour, by the configuration.", nil, nil)
}

// Describe is part of prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{wattsDesc(), idleDesc(), savedDesc(), spentDesc(), sleptDesc(), priceDesc(), carbonDesc()} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	view, now := c.room.view(), time.Now()
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for _, h := range c.room.policy.Hosts {
		if watts, source := c.room.watts(h, view, now); watts.Known {
			send(wattsDesc(), prometheus.GaugeValue, watts.Value, h.Name, source)
		}
		if watts, source := c.room.idle(h); watts.Known {
			send(idleDesc(), prometheus.GaugeValue, watts.Value, h.Name, source)
		}
		total := c.room.ledger.Total[h.Name]
		send(savedDesc(), prometheus.CounterValue, joules*total.SavedWh, h.Name)
		send(spentDesc(), prometheus.CounterValue, joules*total.SpentWh, h.Name)
		send(sleptDesc(), prometheus.CounterValue, total.SleptSeconds, h.Name)
	}
	if p := c.room.policy; p.PricePerKWh > 0 {
		send(priceDesc(), prometheus.GaugeValue, p.PricePerKWh, p.Currency)
	}
	if p := c.room.policy; p.CarbonPerKWh > 0 {
		send(carbonDesc(), prometheus.GaugeValue, p.CarbonPerKWh)
	}
}
