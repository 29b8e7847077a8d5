package cmd

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// inventoried shows how things stand with each kind of object that policies read. It is asked when somebody reads the metrics.
type inventoried struct {
	store                 *inventory.Store
	objects, age, missing *prometheus.Desc
}

// inventory shows store.
func (m *Metrics) inventory(store *inventory.Store) error {
	return m.Registry.Register(&inventoried{
		store: store,
		objects: prometheus.NewDesc("portcullis_inventory_objects",
			"Objects of the cluster that are kept for policies, by kind.", []string{"kind"}, nil),
		age: prometheus.NewDesc("portcullis_inventory_age_seconds",
			"How long ago it was last known that they are those of the cluster.", []string{"kind"}, nil),
		missing: prometheus.NewDesc("portcullis_inventory_missing",
			"1 while a kind of objects that policies read cannot be listed or watched.", []string{"kind"}, nil),
	})
}

// Describe makes inventoried a prometheus.Collector.
func (i *inventoried) Describe(out chan<- *prometheus.Desc) {
	out <- i.objects
	out <- i.age
	out <- i.missing
}

// Collect makes inventoried a prometheus.Collector.
func (i *inventoried) Collect(out chan<- prometheus.Metric) {
	for _, kind := range i.store.Snapshot().Status(time.Now()) {
		missing := 0.
		if kind.Why != "" {
			missing = 1
		}
		out <- prometheus.MustNewConstMetric(i.missing, prometheus.GaugeValue, missing, string(kind.Kind))
		if !kind.Listed {
			continue
		}
		out <- prometheus.MustNewConstMetric(i.objects, prometheus.GaugeValue, float64(kind.Objects), string(kind.Kind))
		out <- prometheus.MustNewConstMetric(i.age, prometheus.GaugeValue, kind.Age.Seconds(), string(kind.Kind))
	}
}
