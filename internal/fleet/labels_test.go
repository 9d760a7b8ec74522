package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	workloads = "o-1/r-1/ou-1-workloads/"
	sandboxes = "o-1/r-1/ou-1-workloads/ou-1-sandboxes/"
)

// labeled is an organization with OUs and tags.
func labeled() *directory {
	d := newDirectory()
	d.paths = map[string]string{hub: "o-1/r-1/", management: "o-1/r-1/", member: workloads}
	d.ous = map[string]string{"ou-1-workloads": "Workloads", "ou-1-sandboxes": "Sandboxes"}
	d.tags = map[string]map[string]string{hub: {"team": "security"}, member: {"team": "shop", "cost": "0815", "other": "x"}}
	return d
}

func labelOptions(change func(*Options)) Options {
	o := Options{
		Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Timeout: 5 * time.Minute,
		Interval: 15 * time.Minute, Concurrency: 2, Tags: []string{"team", "cost"},
		Labels: inventory.LabelKeys{OU: true, Keys: []string{"team", "cost"}, Names: []string{"label_team", "label_cost"}},
	}
	if change != nil {
		change(&o)
	}
	return o
}

// labelsOf writes the labels of a fleet on a few lines.
func labelsOf(f *inventory.Fleet) string {
	var out []string
	for _, failure := range f.LabelFailures {
		out = append(out, "! "+failure.Operation+" "+string(failure.Reason)+" "+failure.Message)
	}
	for _, a := range f.Accounts {
		line := a.ID[:3] + " ?"
		if a.Labels != nil {
			line = a.ID[:3]
			for _, l := range f.Labels.Fields(a) {
				line += fmt.Sprintf(" %s=%q", l.Name, l.Value)
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

const (
	hubLabels        = `111 ou_path="o-1/r-1/" ou_name="Root" label_team="security" label_cost=""`
	managementLabels = `222 ou_path="o-1/r-1/" ou_name="Root" label_team="" label_cost=""`
	memberLabels     = `333 ou_path="o-1/r-1/ou-1-workloads/" ou_name="Workloads" label_team="shop" label_cost="0815"`
)

func TestLabels(t *testing.T) {
	for _, test := range []struct {
		name  string
		opts  Options
		given func(*directory)
		want  []string
	}{
		{"OU and tags", labelOptions(nil), nil, []string{hubLabels, managementLabels, memberLabels}},
		{"tags alone", labelOptions(func(o *Options) { o.Labels.OU = false }), nil, []string{
			`111 label_team="security" label_cost=""`, `222 label_team="" label_cost=""`, `333 label_team="shop" label_cost="0815"`,
		}},
		{"the OU alone", labelOptions(func(o *Options) { o.Tags, o.Labels = nil, inventory.LabelKeys{OU: true} }), nil, []string{
			`111 ou_path="o-1/r-1/" ou_name="Root"`, `222 ou_path="o-1/r-1/" ou_name="Root"`, `333 ou_path="o-1/r-1/ou-1-workloads/" ou_name="Workloads"`,
		}},
		{"none", labelOptions(func(o *Options) { o.Tags, o.Labels = nil, inventory.LabelKeys{} }), func(d *directory) {
			d.fails["ListTagsForResource"] = inventory.AccessDenied
			d.fails["DescribeOrganizationalUnit"] = inventory.AccessDenied
		}, []string{"111 ?", "222 ?", "333 ?"}},
		{"the configuration replaces tags", labelOptions(func(o *Options) {
			o.Static = []Static{{ID: member, Labels: map[string]string{"team": "payments"}}, {ID: outsider, Labels: map[string]string{"cost": "1"}}}
		}), nil, []string{
			hubLabels, managementLabels, strings.Replace(memberLabels, "shop", "payments", 1), `444 ou_path="" ou_name="" label_team="" label_cost="1"`,
		}},
		{"without an organization", labelOptions(func(o *Options) {
			o.Organization, o.Tags, o.Labels.OU = false, nil, false
			o.Static = []Static{{ID: outsider, Labels: map[string]string{"cost": "1"}}}
		}), func(d *directory) { d.fails["ListTagsForResource"] = inventory.AccessDenied }, []string{
			`111 label_team="" label_cost=""`, `444 label_team="" label_cost="1"`,
		}},
		{"tags of one account cannot be read", labelOptions(nil), func(d *directory) { d.fails["ListTagsForResource "+member] = inventory.Throttled }, []string{
			"! ListTagsForResource throttled ", hubLabels, managementLabels, "333 ?",
		}},
		{"no tags can be read", labelOptions(nil), func(d *directory) { d.fails["ListTagsForResource"] = inventory.AccessDenied }, []string{
			"! ListTagsForResource access_denied  (and 2 further failures)", "111 ?", "222 ?", "333 ?",
		}},
		{"an OU cannot be read", labelOptions(nil), func(d *directory) { d.fails["DescribeOrganizationalUnit"] = inventory.AccessDenied }, []string{
			"! DescribeOrganizationalUnit access_denied ", hubLabels, managementLabels, "333 ?",
		}},
		{"a path that is not supported", labelOptions(nil), func(d *directory) { d.paths[member] = "" }, []string{
			"! ListAccounts other AWS returned no path of an account, or one that this version does not support", hubLabels, managementLabels, "333 ?",
		}},
		{"an account that is read for its analyzers alone", labelOptions(func(o *Options) { o.Include = []string{member} }), func(d *directory) {
			d.fails["ListTagsForResource "+hub] = inventory.AccessDenied
		}, []string{"111 ?", "222 ?", memberLabels}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := labeled()
			if test.given != nil {
				test.given(d)
			}
			if got, want := labelsOf(New(d, test.opts, nil).Discover(context.Background())), strings.Join(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// start runs discovery until the test ends.
func run(t *testing.T, d *Discovery) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// Labels are read once in six hours, kept while they cannot be read, and gone when
// they are too old.
func TestLabelsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := labeled()
		discovery := New(d, labelOptions(nil), nil)
		defer run(t, discovery)()
		all := strings.Join([]string{hubLabels, managementLabels, memberLabels}, "\n")
		time.Sleep(time.Second)
		if got := labelsOf(discovery.Fleet()); got != all {
			t.Errorf("at first\n%s\nwant\n%s", got, all)
		}
		time.Sleep(24 * time.Hour)
		d.mu.Lock()
		if calls := d.calls["ListTagsForResource"]; calls < 4*3 || calls > 5*3 {
			t.Errorf("%d calls for the tags of 3 accounts in a day, want one each in six hours", calls)
		}
		if calls := d.calls["DescribeOrganizationalUnit"]; calls < 4 || calls > 5 {
			t.Errorf("%d calls for the name of an OU in a day", calls)
		}
		clear(d.calls)
		d.tags[member]["team"] = "payments"
		d.mu.Unlock()
		time.Sleep(labelRefresh)
		want := strings.Replace(all, "shop", "payments", 1)
		if got := labelsOf(discovery.Fleet()); got != want {
			t.Errorf("after a change\n%s\nwant\n%s", got, want)
		}
		d.mu.Lock()
		d.fails["ListTagsForResource"], d.fails["DescribeOrganizationalUnit"] = inventory.Throttled, inventory.Throttled
		d.mu.Unlock()
		kept := false
		for range 7*60 + 10 {
			time.Sleep(time.Minute)
			got := labelsOf(discovery.Fleet())
			kept = kept || strings.HasPrefix(got, "! ") && strings.HasSuffix(got, want)
			for line := range strings.SplitSeq(got, "\n") {
				if !strings.HasPrefix(line, "! ") && !strings.HasSuffix(line, " ?") && !strings.Contains(want, line) {
					t.Fatalf("wrong labels:\n%s", got)
				}
			}
		}
		if got := labelsOf(discovery.Fleet()); !kept || !strings.HasSuffix(got, "111 ?\n222 ?\n333 ?") {
			t.Errorf("kept while they were not too old: %v; at the end\n%s", kept, got)
		}
		if n := d.calls["ListTagsForResource"]; n > labelWorkers+3*30 {
			t.Errorf("%d failing calls in an hour and ten minutes", n)
		}
		d.mu.Lock()
		clear(d.fails)
		d.mu.Unlock()
		time.Sleep(2 * time.Hour)
		if got := labelsOf(discovery.Fleet()); got != want {
			t.Errorf("after recovery\n%s\nwant\n%s", got, want)
		}
	})
}

// An account that has moved has its new OU with the next list of accounts.
func TestAccountMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := labeled()
		discovery := New(d, labelOptions(nil), nil)
		defer run(t, discovery)()
		time.Sleep(time.Second)
		d.mu.Lock()
		d.paths[member] = sandboxes
		d.mu.Unlock()
		time.Sleep(time.Hour)
		want := strings.Replace(strings.Replace(memberLabels, workloads, sandboxes, 1), "Workloads", "Sandboxes", 1)
		if got := labelsOf(discovery.Fleet()); !strings.HasSuffix(got, want) {
			t.Errorf("got\n%s\nwant at its end\n%s", got, want)
		}
		// The name of the new OU cannot be read: not the old one.
		d.mu.Lock()
		d.paths[member] = "o-1/r-1/ou-1-unreadable/"
		d.fails["DescribeOrganizationalUnit ou-1-unreadable"] = inventory.AccessDenied
		d.mu.Unlock()
		time.Sleep(time.Hour)
		if got := labelsOf(discovery.Fleet()); !strings.HasSuffix(got, "333 ?") {
			t.Errorf("got\n%s\nwant no labels of 333", got)
		}
		// Accounts that cannot be listed may have moved.
		d.mu.Lock()
		d.fails["ListAccounts"] = inventory.Throttled
		d.mu.Unlock()
		time.Sleep(3 * time.Hour)
		if got := labelsOf(discovery.Fleet()); got != "111 ?\n222 ?\n333 ?" {
			t.Errorf("with a list of accounts that is too old:\n%s", got)
		}
	})
}

// A reload keeps the labels that were read, and reads those that were not.
func TestLabelsAfterReload(t *testing.T) {
	d := labeled()
	opts := labelOptions(nil)
	first := New(d, opts, nil)
	all := labelsOf(first.Discover(context.Background()))
	clear(d.calls)
	opts.Include = []string{hub, management, member}
	second := New(d, opts, first)
	if got := labelsOf(second.Discover(context.Background())); got != all || d.calls["ListTagsForResource"] > 0 {
		t.Errorf("after a change of the scope, with %d calls\n%s", d.calls["ListTagsForResource"], got)
	}
	opts.Tags = []string{"cost"}
	opts.Labels.Keys, opts.Labels.Names = opts.Tags, []string{"label_cost"}
	third := New(d, opts, second)
	if got := labelsOf(third.Fleet()); !strings.HasSuffix(got, `ou_name="Workloads" label_cost="0815"`) {
		t.Errorf("with a tag less\n%s", got)
	}
	opts.Tags = []string{"other", "cost"}
	opts.Labels.Keys, opts.Labels.Names = opts.Tags, []string{"label_other", "label_cost"}
	fourth := New(d, opts, third)
	if got := labelsOf(fourth.Fleet()); !strings.HasSuffix(got, "333 ?") {
		t.Errorf("with another tag, before it was read\n%s", got)
	}
	if got := labelsOf(fourth.Discover(context.Background())); !strings.HasSuffix(got, `label_other="x" label_cost="0815"`) {
		t.Errorf("with another tag\n%s", got)
	}
}

// Shards read the labels of their own accounts.
func TestLabelsOfShards(t *testing.T) {
	d := labeled()
	var all []string
	for i := range 3 {
		opts := labelOptions(func(o *Options) { o.ShardIndex, o.ShardTotal, o.OrganizationAnalyzers = i, 3, false })
		if got := labelsOf(New(d, opts, nil).Discover(context.Background())); got != "" {
			all = append(all, got)
		}
	}
	got := strings.Join(all, "\n")
	for _, want := range []string{hubLabels, managementLabels, memberLabels} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the shards have not once\n%s\nbut\n%s", want, got)
		}
	}
	if d.calls["ListTagsForResource"] != 3 {
		t.Errorf("%d calls, want 3", d.calls["ListTagsForResource"])
	}
}

// A permission that is missing for all accounts costs few calls, and delays nothing.
func TestDeniedTagsCostFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &large{directory: newDirectory(), members: 2000, tokens: make(chan struct{}), start: time.Now()}
		close(l.tokens)
		l.fails["ListTagsForResource"] = inventory.AccessDenied
		discovery := New(l, labelOptions(func(o *Options) { o.Labels.OU = false }), nil)
		defer run(t, discovery)()
		time.Sleep(time.Hour)
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := l.calls["ListTagsForResource"]; n < 10 || n > 30 {
			t.Errorf("%d denied calls in an hour", n)
		}
	})
}

// paced answers five calls for tags a second.
type paced struct {
	*large
	most int // calls in one hour
	hour int
	in   int
}

func (p *paced) Tags(ctx context.Context, hub *inventory.Account, id string) (map[string]string, *inventory.Failure) {
	time.Sleep(time.Second / 5)
	p.mu.Lock()
	if hour := int(time.Since(p.start) / time.Hour); hour != p.hour {
		p.hour, p.in = hour, 0
	}
	p.in++
	p.most = max(p.most, p.in)
	p.mu.Unlock()
	return p.directory.Tags(ctx, hub, id)
}

// T6: what changes rarely costs at most one call an account and six hours.
func TestTagsCostOneCallInSixHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, days = 1000, 2
		p := &paced{large: &large{directory: newDirectory(), members: members, tokens: make(chan struct{}), start: time.Now()}}
		close(p.tokens)
		discovery := New(p, labelOptions(func(o *Options) { o.Labels.OU = false }), nil)
		defer run(t, discovery)()
		time.Sleep(members / 5 * time.Second * 11 / 10)
		if f := discovery.Fleet(); slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return a.Labels == nil }) {
			t.Error("not all tags are read at the rate of AWS")
		}
		for range 24 * days {
			time.Sleep(time.Hour)
			if f := discovery.Fleet(); slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return a.Labels == nil }) {
				t.Fatal("labels got lost while AWS answered")
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		calls := p.calls["ListTagsForResource"]
		t.Logf("%d calls in %s for %d accounts, at most %d in an hour", calls, time.Since(p.start), members+1, p.most)
		if most := (4*days + 2) * (members + 1); calls > most {
			t.Errorf("%d calls, want at most %d", calls, most)
		}
	})
}

// far answers after most of a second.
type far struct{ *large }

func (f far) Tags(context.Context, *inventory.Account, string) (map[string]string, *inventory.Failure) {
	time.Sleep(800 * time.Millisecond)
	return map[string]string{}, nil
}

// After a start, tags are read at the rate of AWS, however slow each answer is.
func TestTagsAreReadAtTheRateOfAWS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 500
		l := &large{directory: newDirectory(), members: members, start: time.Now()}
		discovery := New(far{l}, labelOptions(func(o *Options) { o.Labels.OU, o.Role = false, "exporter" }), nil)
		defer run(t, discovery)()
		time.Sleep(members / 5 * time.Second)
		for _, a := range discovery.Fleet().Accounts {
			if a.Labels == nil {
				t.Fatalf("account %s has no labels", a.ID)
			}
		}
	})
}
