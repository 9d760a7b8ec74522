package property

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// A collection for every 4 MB that a small heap grows takes a quarter of the time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	goleak.VerifyTestMain(m)
}

const (
	// An ordinary run has the same draws each time, so that a failure follows
	// from a change. `make test-long` has other and more draws.
	ordinarySeed, ordinaryDraws = 1, 250
	// Calls are retried in one draw of so many: backoff takes longer than
	// everything else.
	retriedEvery = 50
)

// TestPropertyRightOrAbsent checks over random organizations, configurations and
// faults that every series is right or absent, that an error is published for
// each absent one, and that none is absent without a fault or a missing
// permission.
func TestPropertyRightOrAbsent(t *testing.T) {
	seed := parameter(t, "PROPERTY_SEED", ordinarySeed)
	// Printed first, because a panic ends the output.
	fmt.Printf("PROPERTY_SEED=%d\n", seed)
	first, last := uint64(0), parameter(t, "PROPERTY_DRAWS", ordinaryDraws)
	if os.Getenv("PROPERTY_DRAW") != "" {
		first = parameter(t, "PROPERTY_DRAW", 0)
		last = first + 1
		t.Logf("\n%s", newScenario(seed, first))
	}
	setEnvironment(t)
	var total counts
	for _, mode := range []struct {
		attempts string
		retries  bool
	}{{"1", false}, {"3", true}} {
		t.Setenv("AWS_MAX_ATTEMPTS", mode.attempts)
		var draws []uint64
		for draw := first; draw < last; draw++ {
			if (draw%retriedEvery == 0) == mode.retries {
				draws = append(draws, draw)
			}
		}
		counts, failed, ok := search(t, seed, draws)
		if ok {
			report(t, seed, failed)
			return
		}
		total.add(counts)
	}
	t.Log(total)
	if last-first >= ordinaryDraws && total.large < leastLarge {
		t.Errorf("%d finding counts of large analyzers, want at least %d", total.large, leastLarge)
	}
	if last-first >= 100 && !total.mostAreIncremental() {
		t.Error("most finding counts of large analyzers are full counts")
	}
}

// parameter is a number from the environment.
func parameter(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// search plays draws until one fails.
func search(t *testing.T, seed uint64, draws []uint64) (total counts, failed uint64, ok bool) {
	var mu sync.Mutex
	failed, ok = firstFailing(t, draws, func(t *testing.T, draw uint64) bool {
		o := newScenario(seed, draw).play(t)
		mu.Lock()
		defer mu.Unlock()
		total.add(o.counts)
		return len(o.wrong) == 0
	})
	return total, failed, ok
}

// firstFailing plays draws, as many at once as there are processors, until one
// fails, and returns it.
func firstFailing(t *testing.T, draws []uint64, play func(t *testing.T, draw uint64) bool) (failed uint64, ok bool) {
	var (
		next  atomic.Int64
		found atomic.Bool
	)
	worker := func(t *testing.T) {
		t.Parallel()
		for i := next.Add(1) - 1; i < int64(len(draws)) && !found.Load(); i = next.Add(1) - 1 {
			if !play(t, draws[i]) && !found.Swap(true) {
				failed = draws[i]
			}
		}
	}
	t.Run("draws", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("worker", worker)
		}
	})
	return failed, found.Load()
}

// report reports the problems of a draw, with the smallest scenario that has
// them.
func report(t *testing.T, seed, draw uint64) {
	again := fmt.Sprintf("PROPERTY_SEED=%d PROPERTY_DRAW=%d", seed, draw)
	s := newScenario(seed, draw)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	x := s.retry(t)
	if x == nil {
		t.Setenv("AWS_MAX_ATTEMPTS", "3")
		x = s.retry(t)
	}
	if x == nil {
		t.Errorf("%s failed once and not again: it depends on the order of calls\n%s", again, s)
		return
	}
	x = x.shrink(t)
	var wrong strings.Builder
	for _, p := range x.wrong {
		wrong.WriteString("  " + p.text + "\n")
	}
	t.Errorf("%s, %s:\n%s%s", again, x.step, &wrong, x.scenario)
}
