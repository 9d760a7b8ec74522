package fleet

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// labelRefresh is the shortest age at which labels are read again, at one call an
	// account: they change rarely. The minute makes up for labelUnit.
	labelRefresh = 6*time.Hour + labelUnit
	// labelUnit is the unit of the ages of labels. Those that become too old do so
	// together, in one publication for many accounts.
	labelUnit = time.Minute
	// fewFailures is the number of consecutive failures after which Discover reads no
	// further labels.
	fewFailures = 3
	// labelWorkers is how many labels are read at the same time: as many as AWS grants
	// calls a second.
	labelWorkers = 5
	// rootName is the name that AWS gives to the root of every organization.
	// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Root.html
	rootName = "Root"
)

// labelKey identifies what is read with one call: the name of an OU, or the tags of
// an account.
type labelKey struct {
	id string
	ou bool
}

// label is the name of an OU, or values of an account's tags: one for each key that
// was configured when they were read, empty for a tag that the account does not have.
type label struct {
	name         string
	keys, values []string
}

func (l label) value(key string) string {
	if i := slices.Index(l.keys, key); i >= 0 {
		return l.values[i]
	}
	return ""
}

// have returns whether all the keys were read.
func (l label) have(keys []string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(l.keys, key) })
}

// forLabels returns the options for labels. One that cannot be read is retried every
// quarter of an hour at most.
func (o Options) forLabels() Options {
	o.Refresh = max(o.Refresh, labelRefresh)
	o.Interval = max(o.Interval, time.Hour)
	return o
}

// readsLabels returns whether labels are read from AWS Organizations.
func (o *Options) readsLabels() bool {
	return o.Organization && (o.Labels.OU || len(o.Tags) > 0)
}

// keepLabels drops the labels of accounts that have left the scope, and adds those of
// new ones. It is called with the lock held.
func (d *Discovery) keepLabels() {
	if len(d.scope) == 0 {
		return // the accounts are unknown
	}
	wanted := map[labelKey]*listing[label]{}
	want := func(k labelKey) {
		if wanted[k] = d.labels[k]; wanted[k] == nil {
			wanted[k] = &listing[label]{}
		}
	}
	paths := d.ouPaths()
	for _, a := range d.scope {
		path, listed := paths[a.ID]
		if !listed || a.OutOfScope || !d.opts.readsLabels() {
			continue
		}
		if id := ouID(path); d.opts.Labels.OU && strings.HasPrefix(id, "ou-") {
			want(labelKey{id, true})
		}
		if len(d.opts.Tags) > 0 {
			want(labelKey{a.ID, false})
		}
	}
	d.labels = wanted
}

// ouPaths returns the paths of OUs by account, for the accounts that are listed in
// the organization. It is called with the lock held.
func (l *lists) ouPaths() map[string]string {
	paths := make(map[string]string, len(l.members.value))
	for _, a := range l.members.value {
		paths[a.ID] = a.OUPath
	}
	return paths
}

// ouID returns the ID at the end of a path of OUs: that of an OU or of the root.
func ouID(path string) string {
	path = strings.TrimSuffix(path, "/")
	return path[strings.LastIndex(path, "/")+1:]
}

// runLabels reads labels until the context ends, a few at a time: one after the other,
// slow answers would take more time than the rate that AWS grants. After a failure it
// pauses, because a missing permission or a throttled organization is the same for all
// accounts.
func (d *Discovery) runLabels(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		d.mu.Lock()
		wake := d.wake
		d.mu.Unlock()
		due, next := d.dueLabels(clock.Now(), batch)
		if len(due) == 0 {
			clock.Wait(ctx, next, wake)
		}
		for len(due) > 0 {
			n := min(len(due), labelWorkers)
			if failures > 0 {
				n = 1
			}
			succeeded := d.readTogether(ctx, due[:n])
			if due = due[n:]; succeeded {
				failures = 0
				continue
			}
			clock.Wait(ctx, clock.Now().Add(min(firstRetry<<min(failures, 16), d.opts.Interval/4)), nil)
			if failures++; ctx.Err() != nil {
				return
			}
		}
	}
}

// readTogether reads labels at the same time, and returns whether all succeeded.
func (d *Discovery) readTogether(ctx context.Context, keys []labelKey) bool {
	var wg sync.WaitGroup
	var failed atomic.Bool
	for _, k := range keys {
		wg.Go(func() {
			if !d.readLabel(ctx, k) {
				failed.Store(true)
			}
		})
	}
	wg.Wait()
	return !failed.Load()
}

// readLabels reads the labels that are due, up to a few consecutive failures.
func (d *Discovery) readLabels(ctx context.Context) {
	due, _ := d.dueLabels(clock.Now(), math.MaxInt)
	failures := 0
	for _, k := range due {
		if failures++; d.readLabel(ctx, k) {
			failures = 0
		}
		if ctx.Err() != nil || failures == fewFailures {
			return
		}
	}
}

// dueLabels returns up to limit labels that are due, the oldest first. Without any,
// it returns when the next one is due.
func (d *Discovery) dueLabels(now time.Time, limit int) (due []labelKey, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updateScope()
	next = now.Add(d.opts.Interval)
	for k, l := range d.labels {
		if at := l.dueAt(&d.labelOpts); clock.Reached(at, now) {
			due = append(due, k)
		} else {
			next = clock.Earlier(next, at, now)
		}
	}
	slices.SortFunc(due, func(a, b labelKey) int {
		// Names of OUs first: each is that of several accounts.
		return cmp.Or(d.labels[a].triedAt.Compare(d.labels[b].triedAt), cmp.Compare(len(b.id), len(a.id)), cmp.Compare(a.id, b.id))
	})
	return due[:min(len(due), limit)], next
}

// readLabel reads a label, and returns whether that succeeded.
func (d *Discovery) readLabel(ctx context.Context, k labelKey) bool {
	d.mu.Lock()
	l, hub := d.labels[k], d.caller.value
	d.mu.Unlock()
	if l == nil || hub == nil {
		return true // the account has left the scope
	}
	var read label
	var f *inventory.Failure
	if k.ou {
		read.name, f = d.dir.OUName(ctx, hub, k.id)
	} else {
		var all map[string]string
		all, f = d.dir.Tags(ctx, hub, k.id)
		read.keys = d.opts.Tags
		for _, key := range read.keys {
			read.values = append(read.values, all[key])
		}
	}
	record(ctx, d, l, read, f)
	d.mu.Lock()
	defer d.mu.Unlock()
	l.backdate(labelUnit)
	return f == nil
}

// assignLabels sets the labels of the accounts in scope.
func (c *composition) assignLabels() {
	c.fleet.Labels = c.opts.Labels
	if c.opts.Labels.None() || c.opts.Organization && !c.members.usable(&c.opts, c.now) {
		return
	}
	static, paths := map[string]map[string]string{}, map[string]string{}
	for _, s := range c.opts.Static {
		static[s.ID] = s.Labels
	}
	if c.opts.Organization {
		paths = c.ouPaths()
	}
	failures := labelFailures{}
	for _, a := range c.fleet.Accounts {
		if a.OutOfScope {
			continue
		}
		labels := &inventory.AccountLabels{Values: make([]string, len(c.opts.Labels.Keys))}
		path, listed := paths[a.ID]
		if listed && !c.readInto(labels, a.ID, path, failures) {
			continue
		}
		for i, key := range c.opts.Labels.Keys {
			if value, ok := static[a.ID][key]; ok {
				labels.Values[i] = value
			}
		}
		a.Labels = labels
	}
	c.fleet.LabelFailures = failures.all()
}

// readInto sets what was read about an account in the organization. It returns false
// if anything is not known.
func (c *composition) readInto(labels *inventory.AccountLabels, id, path string, failures labelFailures) bool {
	known := true
	if c.opts.Labels.OU {
		name, ok := c.ouName(path, failures)
		labels.OUPath, labels.OUName, known = path, name, ok
	}
	if len(c.opts.Tags) > 0 {
		read, ok := c.label(labelKey{id, false}, failures)
		known = known && ok && read.have(c.opts.Tags)
		for i, key := range c.opts.Labels.Keys {
			labels.Values[i] = read.value(key)
		}
	}
	return known
}

// ouName returns the name of the OU at the end of a path.
func (c *composition) ouName(path string, failures labelFailures) (name string, ok bool) {
	switch id := ouID(path); {
	case strings.HasPrefix(id, "r-"):
		return rootName, true
	case id == "":
		f := unlisted(c.caller.value.ID, "ListAccounts", "", "AWS returned no path of an account, or one that this version does not support")
		f.Unsupported = true
		failures.add(labelKey{}, f)
		return "", false
	default:
		read, ok := c.label(labelKey{id, true}, failures)
		return read.name, ok
	}
}

// label returns a label that was read and is not too old.
func (c *composition) label(k labelKey, failures labelFailures) (label, bool) {
	l := c.labels[k]
	if l == nil {
		return label{}, false
	}
	if l.failure != nil {
		failures.add(k, l.failure)
	}
	return l.value, useUntil(c, l, &c.labelOpts)
}

// labelFailures are failures by operation and reason, with what each is about.
type labelFailures map[inventory.DiscoveryFailure]*labelFailure

type labelFailure struct {
	first *inventory.Failure
	about map[labelKey]bool
}

func (fs labelFailures) add(k labelKey, f *inventory.Failure) {
	cause := inventory.DiscoveryFailure{Operation: f.Operation, Reason: f.Reason}
	if fs[cause] == nil {
		fs[cause] = &labelFailure{f, map[labelKey]bool{}}
	}
	fs[cause].about[k] = true
}

// all returns one failure for each cause, sorted.
func (fs labelFailures) all() []inventory.Failure {
	var all []inventory.Failure
	for _, same := range fs {
		f := *same.first
		if more := len(same.about) - 1; more > 0 {
			f.Message += fmt.Sprintf(" (and %d further failures)", more)
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b inventory.Failure) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}
