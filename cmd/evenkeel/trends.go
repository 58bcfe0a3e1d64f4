package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

// sparks is how many marks a line of the table has.
const sparks = 32

func newTrends() *cobra.Command {
	var ask clientFlags
	var hours int
	cmd := &cobra.Command{
		Use:   "trends [host NAME | vm NAME]",
		Short: "Show numbers of the cluster, a host or a VM over time",
		Args:  cobra.MatchAll(cobra.MaximumNArgs(2), about),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			subject := "cluster"
			if len(args) > 0 {
				subject = strings.Join(args, "/")
			}
			if most := int(api.MaxTrend / time.Hour); hours < 1 || hours > most {
				return fmt.Errorf("--hours: is %d; it is from 1 to %d", hours, most)
			}
			now := time.Now()
			trends, err := client.Trends(cmd.Context(), subject, now.Add(-time.Duration(hours)*time.Hour), now)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), trends, func(t *table) { drawTrends(t, trends) })
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().IntVar(&hours, "hours", 24, "over how long, until now; at most 744")
	return cmd
}

// about takes nothing, or a kind and a name.
func about(_ *cobra.Command, args []string) error {
	if len(args) == 0 || len(args) == 2 && (args[0] == "host" || args[0] == "vm") && args[1] != "" {
		return nil
	}
	return fmt.Errorf("%q is nothing with numbers over time; write nothing for the cluster, host NAME or vm NAME", strings.Join(args, " "))
}

func drawTrends(t *table, trends cluster.Trends) {
	t.line("%s from %s to %s, a point each %s", trends.Subject, clock(trends.From), clock(trends.To), time.Duration(trends.StepSeconds*float64(time.Second)))
	if trends.Note != "" {
		t.line("%s", trends.Note)
		return
	}
	t.row("NUMBER", "MIN", "MEAN", "MAX", "LAST", "")
	for _, s := range trends.Series {
		low, mean, high, last := s.Sums()
		name := strings.ReplaceAll(strings.TrimSpace(s.Name+" "+s.Part), "_", " ")
		t.row(name, amount(low, s.Unit), amount(mean, s.Unit), amount(high, s.Unit), amount(last, s.Unit), sparkline(trends, s, low, high))
	}
}

// amount writes a value with its unit.
func amount(value float64, unit string) string {
	switch unit {
	case "ratio":
		return fmt.Sprintf("%.1f %%", 100*value)
	case "bytes":
		return fmt.Sprintf("%.2f GiB", value/(1<<30))
	case "VMs":
		return fmt.Sprintf("%.4g", value)
	}
	return fmt.Sprintf("%.2f %s", value, unit)
}

// sparkline draws a series from its lowest to its highest value in a line of marks; where nothing is known it has spaces.
func sparkline(trends cluster.Trends, s cluster.Trend, low, high float64) string {
	marks := []rune("▁▂▃▄▅▆▇█")
	var sum, n [sparks]float64
	length := trends.To.Sub(trends.From)
	for _, p := range s.Points {
		i := min(sparks-1, int(sparks*float64(p.At.Sub(trends.From))/float64(length)))
		sum[i], n[i] = sum[i]+p.Value, n[i]+1
	}
	line := make([]rune, sparks)
	for i := range line {
		line[i] = ' '
		if n[i] > 0 {
			share := 0.0
			if high > low {
				share = (sum[i]/n[i] - low) / (high - low)
			}
			line[i] = marks[int(math.Round(share*float64(len(marks)-1)))]
		}
	}
	return string(line)
}
