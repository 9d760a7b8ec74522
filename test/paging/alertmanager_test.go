package paging

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/types"
	metrics "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/rules"
)

const alertmanagerFile = "../../deploy/alertmanager/alertmanager.yml"

// notification is one message to a receiver.
type notification struct {
	at       time.Time
	receiver string
	// group is the key of the group, by which paging tools deduplicate.
	group  string
	alerts []*types.Alert
}

func (n notification) String() string {
	var b strings.Builder
	b.WriteString(n.at.UTC().Format("15:04:05") + " " + n.receiver + ":")
	for _, a := range n.alerts {
		state := " firing "
		if a.ResolvedAt(n.at) {
			state = " resolved "
		}
		b.WriteString(state + a.Labels.String() + " " + string(a.Annotations["summary"]))
	}
	return b.String()
}

// alertmanager is the notification pipeline of Alertmanager without its HTTP
// server and cluster. All its timers are those of the time package, so that it
// runs in the virtual time of testing/synctest.
type alertmanager struct {
	alerts     *mem.Alerts
	dispatcher *dispatch.Dispatcher
	inhibitor  *inhibit.Inhibitor
	marker     *types.MemMarker
	mu         sync.Mutex
	sent       []notification
}

func newAlertmanager(t testing.TB, text string) *alertmanager {
	t.Helper()
	c, err := config.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	a := &alertmanager{marker: types.NewMarker(metrics.NewRegistry())}
	if a.alerts, err = mem.NewAlerts(context.Background(), a.marker, 30*time.Minute, 0, nil, discard, metrics.NewRegistry(), nil); err != nil {
		t.Fatal(err)
	}
	log, err := nflog.New(nflog.Options{Retention: 5 * 24 * time.Hour, Logger: discard, Metrics: metrics.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	a.inhibitor = inhibit.NewInhibitor(a.alerts, c.InhibitRules, a.marker, discard)
	muted := notify.NewMuteStage(a.inhibitor, notify.NewMetrics(metrics.NewRegistry(), featurecontrol.NoopFlags{}))
	stages := notify.RoutingStage{}
	for _, r := range c.Receivers {
		recv := &nflogpb.Receiver{GroupName: r.Name, Integration: "webhook"}
		stages[r.Name] = notify.MultiStage{
			muted,
			notify.NewDedupStage(sendsResolved{}, log, recv),
			&recorder{a},
			notify.NewSetNotifiesStage(log, recv),
		}
	}
	a.dispatcher = dispatch.NewDispatcher(a.alerts, dispatch.NewRoute(c.Route, nil), stages, a.marker,
		func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }, 30*time.Second, nil, discard,
		dispatch.NewDispatcherMetrics(false, metrics.NewRegistry()))
	go a.inhibitor.Run()
	go a.dispatcher.Run(time.Now())
	return a
}

func (a *alertmanager) stop() {
	a.dispatcher.Stop()
	a.inhibitor.Stop()
	a.alerts.Close()
}

// receive takes alerts as Alertmanager's API does.
func (a *alertmanager) receive(alerts ...*rules.Alert) {
	now := time.Now()
	var received []*types.Alert
	for _, alert := range alerts {
		r := &types.Alert{UpdatedAt: now}
		r.Labels, r.Annotations = model.LabelSet{}, model.LabelSet{}
		for name, value := range alert.Labels.Map() {
			r.Labels[model.LabelName(name)] = model.LabelValue(value)
		}
		for name, value := range alert.Annotations.Map() {
			r.Annotations[model.LabelName(name)] = model.LabelValue(value)
		}
		r.StartsAt, r.EndsAt = alert.FiredAt, alert.ValidUntil
		if !alert.ResolvedAt.IsZero() {
			r.EndsAt = alert.ResolvedAt
		}
		received = append(received, r)
	}
	if err := a.alerts.Put(context.Background(), received...); err != nil {
		panic(err)
	}
}

// active are the alerts that have not ended.
func (a *alertmanager) active() []*types.Alert {
	var active []*types.Alert
	now := time.Now()
	for it := a.alerts.GetPending(); ; {
		next, ok := <-it.Next()
		if !ok {
			return active
		}
		if !next.Data.ResolvedAt(now) {
			active = append(active, next.Data)
		}
	}
}

// notifications are all that were sent until now.
func (a *alertmanager) notifications() []notification {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sent)
}

// recorder records notifications instead of sending them.
type recorder struct{ *alertmanager }

// Exec implements notify.Stage.
func (r *recorder) Exec(ctx context.Context, _ *slog.Logger, alerts ...*types.Alert) (context.Context, []*types.Alert, error) {
	key, _ := notify.GroupKey(ctx)
	receiver, _ := notify.ReceiverName(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, notification{time.Now(), receiver, key, slices.Clone(alerts)})
	return ctx, alerts, nil
}

type sendsResolved struct{}

// SendResolved implements notify.ResolvedSender.
func (sendsResolved) SendResolved() bool { return true }
