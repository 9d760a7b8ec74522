// Package browsertest opens the coverage map in Chromium and uses it as people
// do: by eye, by keyboard, on a phone, in the dark, with a screen reader. It is
// a module of its own so that the exporter's has no browser driver in it.
//
// It needs Chromium, and axe-core from npm ci. SCREENSHOTS=DIR also writes what the browser shows, for people to look at.
package browsertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// missing ends a test for want of a program: a failure where everything is
// meant to be there.
func missing(t *testing.T, what, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", what, remedy)
	}
	t.Skipf("%s is missing: %s", what, remedy)
}

// browser is started by the first test that needs one.
var browser = sync.OnceValues(func() (context.Context, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, exec.ErrNotFound
	}
	profile, err := os.MkdirTemp("", "browsertest-")
	if err != nil {
		return nil, err
	}
	cleanup = append(cleanup, func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	cleanup = append(cleanup, stop)
	first, closeFirst := chromedp.NewContext(allocator)
	cleanup = append(cleanup, closeFirst)
	return first, chromedp.Do(first)
})

// cleanup is done in reverse once all tests are.
var cleanup []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(cleanup) {
		end()
	}
	os.Exit(code)
}

// screen is what the page is looked at with.
type screen struct {
	name          string
	width, height int64
	dark, phone   bool
}

func (s screen) metrics() emulation.SetDeviceMetricsOverrideParams {
	return emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.phone}
}

var (
	light  = screen{name: "light", width: 1440, height: 900}
	dark   = screen{name: "dark", width: 1440, height: 900, dark: true}
	tablet = screen{name: "tablet", width: 800, height: 900}
	narrow = screen{name: "narrow", width: 390, height: 844, phone: true}
	small  = screen{name: "small", width: 360, height: 740, phone: true, dark: true}
	// A laptop's window at 400 %, as WCAG 2.2, 1.4.10 has it.
	zoomed  = screen{name: "zoomed", width: 320, height: 256}
	screens = []screen{light, dark, narrow, small}
)

// tab is one page in the browser, and what went wrong in it.
type tab struct {
	context.Context
	t      *testing.T
	origin string
	screen screen
	mu     sync.Mutex
	faults []string
}

func (b *tab) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// open shows a snapshot on a screen. When the test ends nothing may have gone
// wrong in the browser's eyes: no blocked style or script, no failed request,
// and to no other host.
func open(t *testing.T, snap *inventory.Snapshot, s screen, path string) *tab {
	t.Helper()
	parent, err := browser()
	if errors.Is(err, exec.ErrNotFound) {
		missing(t, "Chromium", "apt-get install chromium")
	} else if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(web.Handler(web.Options{
		Metrics:  http.NotFoundHandler(),
		Snapshot: func() *inventory.Snapshot { return snap },
		Progress: func() []sweep.Progress {
			return []sweep.Progress{{
				Kind: inventory.CoverageSweep, Running: true, StartedAt: time.Now().Add(-3 * time.Second), Done: 120, Failed: 17, Total: 205,
			}}
		},
		Version: "1.0.0", Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	ctx, closeTab := chromedp.NewContext(parent)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	b := &tab{Context: ctx, t: t, origin: server.URL, screen: s}
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, emulation.SetDeviceMetricsOverride, s.metrics())
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	b.do(chromedp.Navigate(server.URL + path))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, f := range b.faults {
			t.Errorf("the browser says: %s", f)
		}
	})
	return b
}

func (b *tab) watch(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.fault("%s: %s", e.Entry.Level, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.fault("exception: %s", e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		b.fault("dialog: %s", e.Message)
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || (u.Scheme != "data" && u.Scheme+"://"+u.Host != b.origin) {
			b.fault("request to %s", e.Request.URL)
		}
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func run[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// js evaluates an expression; the browser's tools may, the page may not.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// change evaluates an expression for what it does.
func change(b *tab, expression string) {
	b.t.Helper()
	js[bool](b, "(async () => {"+expression+"})().then(() => true)")
}

// keep writes what is on the screen, or the whole page, where people can look.
func (b *tab) keep(name string, whole bool) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	if whole { // on a screen as tall as the page, so that what sticks to its edges does
		tall := b.screen
		tall.height = js[int64](b, `document.documentElement.scrollHeight`)
		call(b, emulation.SetDeviceMetricsOverride, tall.metrics())
		defer call(b, emulation.SetDeviceMetricsOverride, b.screen.metrics())
	}
	shot := run(b, chromedp.CaptureScreenshot())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func snapshots() map[string]*inventory.Snapshot {
	now := time.Now()
	return map[string]*inventory.Snapshot{
		"organization": webtest.Organization(now),
		"hostile":      webtest.Hostile(now),
		"large":        webtest.Large(now, 5000),
		"before":       nil,
		"lost": {PublishedAt: now, Failures: []inventory.Failure{
			{Region: inventory.Global, Operation: "GetCallerIdentity", Reason: inventory.Credentials},
		}},
	}
}

// violation is what axe-core reports.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// axe runs every rule of axe-core, those of WCAG 2.2 AA and best practice that
// are off by default included.
func (b *tab) axe() []violation {
	b.t.Helper()
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if errors.Is(err, fs.ErrNotExist) {
		missing(b.t, "axe-core", "npm ci --prefix internal/web/browsertest")
	} else if err != nil {
		b.t.Fatal(err)
	}
	change(b, string(source))
	return js[[]violation](b, `axe.run(document, {resultTypes: ["violations"], rules: {
		"target-size": {enabled: true}, "table-fake-caption": {enabled: true}, "td-has-header": {enabled: true},
		"p-as-heading": {enabled: true}, "identical-links-same-purpose": {enabled: true}, "css-orientation-lock": {enabled: true},
		"focus-order-semantics": {enabled: true}
	}}).then(r => r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => ({html: n.html.slice(0, 300), failureSummary: n.failureSummary}))})))`)
}

func TestAccessibility(t *testing.T) {
	for name, snap := range snapshots() {
		for _, s := range screens {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				b := open(t, snap, s, "/")
				b.keep(name+"-"+s.name, true)
				change(b, `document.querySelectorAll("details").forEach(d => d.open = true)`)
				change(b, `document.querySelector("td")?.focus()`)
				for _, v := range b.axe() {
					for _, n := range v.Nodes {
						t.Errorf("%s: %s\n%s\n%s", v.ID, v.Help, n.HTML, n.Summary)
					}
				}
			})
		}
	}
}

// The check must be able to fail.
func TestAccessibilityCheckFindsFaults(t *testing.T) {
	b := open(t, webtest.Organization(time.Now()), light, "/")
	change(b, `document.querySelectorAll("details").forEach(d => d.open = true); document.documentElement.removeAttribute("lang"); document.querySelector("input").parentElement.replaceWith(document.querySelector("input")); document.querySelector("input").removeAttribute("placeholder")`)
	found := map[string]bool{}
	for _, v := range b.axe() {
		found[v.ID] = true
	}
	if !found["html-has-lang"] || !found["label"] {
		t.Errorf("a page without language and label passes: %v", found)
	}
}

func TestAttackersNamesDoNothing(t *testing.T) {
	b := open(t, webtest.Hostile(time.Now()), light, "/")
	for expression, want := range map[string]int{
		`document.scripts.length`:                   0,
		`document.images.length`:                    0,
		`document.querySelectorAll("style").length`: 1,
		`document.querySelectorAll("iframe, object, embed, base, [style], [onerror], [onload]").length`:                                                             0,
		`[...document.links].filter(a => !a.href.startsWith(location.origin) && !a.href.startsWith("https://docs.aws.amazon.com/") && !a.closest("header")).length`: 0,
		`document.querySelectorAll("td table, th table, p table").length`:                                                                                           0,
	} {
		if got := js[int](b, expression); got != want {
			t.Errorf("%s is %d, want %d", expression, got, want)
		}
	}
	if title := js[string](b, `document.title`); !strings.HasSuffix(title, "IAM Access Analyzer coverage") {
		t.Errorf("the title is now %q", title)
	}
	if !js[bool](b, `document.body.innerText.includes('<script>document.title="owned"</script>')`) {
		t.Error("the name is not to be read as it is")
	}
	// Should anything get through all the same, the browser must not run it.
	change(b, `document.body.insertAdjacentHTML("beforeend", '<img src="x" onerror="document.title=\'owned\'"><p style="color:red" id="styled">')`)
	change(b, `{const s = document.createElement("script"); s.textContent = "document.title='owned'"; document.body.append(s)}; new Promise(r => setTimeout(r, 100))`)
	if js[string](b, `document.title`) == "owned" || js[string](b, `getComputedStyle(styled).color`) == "rgb(255, 0, 0)" {
		t.Error("the Content-Security-Policy lets scripts or styles through")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) < 3 {
		t.Errorf("the browser blocked too little: %q", b.faults)
	}
	b.faults = nil // they were asked for
}

// details is the text at the lower edge of the screen.
func (b *tab) details() string {
	b.t.Helper()
	return js[string](b, `document.elementFromPoint(innerWidth / 2, innerHeight - 8)?.closest("p")?.innerText ?? ""`)
}

func TestHoveringOverACellShowsDetails(t *testing.T) {
	for _, s := range screens {
		t.Run(s.name, func(t *testing.T) {
			b := open(t, webtest.Organization(time.Now()), s, "/")
			b.do(chromedp.ScrollIntoView(chromedp.CSS(`.map`)))
			if got := b.details(); !s.phone && !strings.HasPrefix(got, "Hover over, tap or focus a cell") {
				t.Errorf("before, the line says %q", got)
			}
			at := js[[]float64](b, `{const c = document.querySelector("td.uncovered"); c.scrollIntoView({block: "center"}); const r = c.getBoundingClientRect(); [r.x + 5, r.y + 5]}`)
			b.do(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
			want := "data-platform, ap-northeast-3 Uncovered. ORGANIZATION analyzer organization-external-access in 210000000002, Region ap-northeast-3, is DISABLED: AWS_SERVICE_ACCESS_DISABLED. Cause and fix"
			if got := b.details(); got != want {
				t.Errorf("the line says %q", got)
			}
			// Clicked or tapped it stays, so that it can be read to the end.
			b.do(chromedp.MouseClickXY(at[0], at[1]), chromedp.MouseEvent("mouseMoved", 1, 1))
			if got := b.details(); got != want {
				t.Errorf("after a click elsewhere is pointed at, and the line says %q", got)
			}
			b.keep("cell-"+s.name, false)
			// The link leads to the command, which was folded.
			b.do(chromedp.Click(chromedp.CSS(`td:focus-within p a`)))
			if !js[bool](b, `{const r = document.querySelector(location.hash).getBoundingClientRect(); r.height > 0 && r.top >= 0 && r.bottom <= innerHeight}`) {
				t.Errorf("the cause is not in sight: %s", js[string](b, `location.hash`))
			}
		})
	}
}

func TestKeyboardAlone(t *testing.T) {
	b := open(t, webtest.Organization(time.Now()), light, "/")
	press := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			b.do(chromedp.KeyEvent(k))
		}
	}
	focused := func() string {
		return js[string](b, `document.activeElement.name || document.activeElement.innerText || document.activeElement.tagName`)
	}
	// tabTo presses Tab until what is focused begins with a text.
	tabTo := func(text string, most int) {
		t.Helper()
		for range most {
			press(kb.Tab)
			if by := js[string](b, `{const e = document.activeElement, r = e.getBoundingClientRect(), x = r.x + Math.min(r.width, innerWidth) / 2;
				[r.y + 4, Math.min(r.bottom, innerHeight) - 4].map(y => document.elementFromPoint(x, y)).filter(o => !o || !(e.contains(o) || o.contains(e))).map(o => o?.outerHTML.slice(0, 80) ?? "the edge").join()}`); by != "" {
				t.Errorf("%q has the focus and is hidden by %s", focused(), by)
			}
			if strings.HasPrefix(focused(), text) {
				return
			}
		}
		t.Fatalf("not reached with %d × Tab: %s; the focus is on %q", most, text, focused())
	}

	tabTo("Skip to the map", 1)
	tabTo("Skip to what needs attention", 1)
	tabTo("Documentation", 1)
	tabTo("Metrics", 3)
	change(b, `document.activeElement.blur(); scrollTo(0, 0)`)
	b.do(chromedp.Navigate(b.origin + "/"))
	tabTo("Skip to what needs attention", 2)
	press(kb.Enter)
	tabTo("ORGANIZATION analyzer organization-external-access", 6)
	press(kb.Enter)
	if !js[bool](b, `document.activeElement.parentElement.open`) {
		t.Error("Enter does not unfold what needs attention")
	}
	tabTo("aws", 3) // a long command must be scrollable
	change(b, `document.activeElement.blur(); scrollTo(0, 0)`)
	b.do(chromedp.Navigate(b.origin + "/"))
	tabTo("Skip to the map", 1)
	press(kb.Enter)
	tabTo("Filter", 1)
	press(kb.Enter)
	tabTo("account", 1)
	tabTo("region", 1)
	tabTo("state", 1)
	tabTo("access", 1)
	tabTo("label", 1)
	tabTo("Apply", 1)
	tabTo("", 1) // the map, which scrolls
	tabTo("data-platform", 1)
	tabTo("data-platform, ap-northeast-1", 1)
	press(kb.Tab, kb.Tab)
	if got := b.details(); !strings.HasPrefix(got, "data-platform, ap-northeast-3 Uncovered.") {
		t.Errorf("the line says %q", got)
	}
	if width := js[string](b, `getComputedStyle(document.activeElement).outlineWidth`); width != "2px" {
		t.Errorf("the cell with the focus has an outline of %s", width)
	}
	tabTo("Cause and fix", 1)
	if got := b.details(); !strings.HasPrefix(got, "data-platform, ap-northeast-3 Uncovered.") {
		t.Errorf("with the focus on its link the line says %q", got)
	}
	b.keep("keyboard", false)

	b.do(chromedp.Navigate(b.origin + "/"))
	tabTo("Skip to the map", 1)
	press(kb.Enter, kb.Tab, kb.Enter, kb.Tab)
	press("payments", kb.Enter)
	b.do(chromedp.WaitVisible(chromedp.CSS(`input[value="payments"]`)))
	if got := js[int](b, `document.querySelectorAll(".map tbody tr").length`); got != 2 {
		t.Errorf("%d accounts match payments", got)
	}
}

// A page that must be scrolled sideways to read a sentence cannot be read on a
// phone. Tables scroll within themselves.
func TestPageFitsNarrowScreens(t *testing.T) {
	for name, snap := range snapshots() {
		for _, s := range []screen{narrow, zoomed} {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				b := open(t, snap, s, "/")
				change(b, `document.querySelectorAll("details").forEach(d => d.open = true)`)
				if wide := js[int64](b, `document.documentElement.scrollWidth`); wide > s.width {
					t.Errorf("the page is %d wide on a screen of %d: %s", wide, s.width, js[string](b,
						`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".scroll, .skip")).map(e => e.outerHTML.slice(0, 100)).slice(0, 3).join("\n")`))
				}
			})
		}
	}
}

// A column that another one squeezes has a letter in each line.
func TestWordsAreReadable(t *testing.T) {
	for _, s := range []screen{light, tablet, narrow} {
		t.Run(s.name, func(t *testing.T) {
			b := open(t, webtest.Organization(time.Now()), s, "/")
			for _, text := range js[[]string](b, `[...document.querySelectorAll(".findings td, .findings th, .public td, .public th")].filter(c => {
				const text = document.createRange(); text.selectNodeContents(c)
				const hidden = c.closest("thead") && getComputedStyle(c.closest("thead")).position == "absolute"
				return !hidden && !c.querySelector("div") && c.textContent.length < 60 && text.getBoundingClientRect().height > 4.5 * parseFloat(getComputedStyle(c).lineHeight)
			}).map(c => c.textContent)`) {
				t.Errorf("%q is squeezed", text)
			}
			for _, text := range js[[]string](b, `[...document.querySelectorAll(".policies thead th, .public tbody td:last-child div")].filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.textContent)`) {
				t.Errorf("%q is cut off", text)
			}
		})
	}
}

// The map is the first thing on its page, and what needs attention stands beside it.
func TestMapIsInSightAtOnce(t *testing.T) {
	type box struct{ Left, Top, Right, Bottom float64 }
	for name, snap := range snapshots() {
		if snap == nil || len(snap.Verdicts) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			boxOf := func(b *tab, selector string) box {
				return js[box](b, `{const r = document.querySelector("`+selector+`").getBoundingClientRect(); ({Left: r.left, Top: r.top, Right: r.right, Bottom: r.bottom})}`)
			}
			for _, s := range []screen{light, dark} {
				b := open(t, snap, s, "/")
				first, attention := boxOf(b, ".map tbody tr"), boxOf(b, "#attention")
				if first.Top > 520 || attention.Top > 360 || attention.Left < boxOf(b, ".map").Right {
					t.Errorf("%s: the first account is at %+v, what needs attention at %+v", s.name, first, attention)
				}
				b.keep("first-sight-"+name+"-"+s.name, false)
			}
			b := open(t, snap, narrow, "/")
			if first := boxOf(b, ".map tbody tr"); first.Bottom > 844 {
				t.Errorf("on a phone the first account is at %+v", first)
			}
			b.keep("first-sight-"+name+"-phone", false)
		})
	}
}

// A phone shows every gap by name, and needs no scrolling sideways.
func TestPhoneShowsEveryGap(t *testing.T) {
	b := open(t, webtest.Organization(time.Now()), narrow, "/")
	for _, state := range []string{"uncovered", "unknown"} {
		if hidden := js[int](b, `[...document.querySelectorAll(".map td.`+state+`")].filter(c => {const r = c.getBoundingClientRect(); return r.width < 24 || r.right > innerWidth}).length`); hidden > 0 {
			t.Errorf("%d %s targets are not in sight", hidden, state)
		}
	}
	if wide := js[bool](b, `[...document.querySelectorAll(".scroll")].some(e => e.scrollWidth > e.clientWidth + 1)`); wide {
		t.Error("a table is cut off at the right")
	}
	b.keep("phone", true)
}

// The names of the Regions and of the accounts stay in sight while one scrolls.
func TestHeadersStay(t *testing.T) {
	b := open(t, webtest.Large(time.Now(), 5000), light, "/")
	change(b, `document.querySelector(".map tbody tr:nth-child(40)").scrollIntoView({block: "center"})`)
	if top := js[float64](b, `document.querySelector(".map thead th:nth-child(5)").getBoundingClientRect().top`); top != 0 {
		t.Errorf("at the fortieth account the Regions' names are at %.0f", top)
	}
	b = open(t, webtest.Large(time.Now(), 5000), tablet, "/")
	change(b, `document.querySelector(".map").scrollLeft = 200`)
	if left := js[float64](b, `document.querySelector(".map tbody th").getBoundingClientRect().left`); left < 0 {
		t.Errorf("scrolled to the right, the accounts' names are at %.0f", left)
	}
}

// Without color the five states must still differ by their shape.
func TestStatesDifferInShape(t *testing.T) {
	for _, s := range []screen{light, dark} {
		t.Run(s.name, func(t *testing.T) {
			b := open(t, webtest.Organization(time.Now()), s, "/")
			call(b, emulation.SetEmulatedVisionDeficiency, emulation.SetEmulatedVisionDeficiencyParams{
				Type: emulation.SetEmulatedVisionDeficiencyTypeAchromatopsia,
			})
			b.keep("achromatopsia-"+s.name, true)
			states := []string{"uncovered", "unknown", "covered", "exempt", "not_enabled"}
			shapes := map[string][]bool{}
			for _, state := range states {
				shapes[state] = shape(t, run(b, chromedp.Screenshot(chromedp.CSS(`.key .mark.`+state))))
			}
			for i, one := range states {
				for _, other := range states[i+1:] {
					if d := difference(shapes[one], shapes[other]); d < 0.04 {
						t.Errorf("%s and %s differ in %.1f %% of their area alone", one, other, 100*d)
					}
				}
			}
		})
	}
}

// shape reports for each pixel of a picture whether it differs from its middle
// brightness towards the figure, independent of the figure's color: the background
// is what the pixel in the corner has.
func shape(t *testing.T, data []byte) []bool {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bounds := image.Rect(0, 0, 22, 20).Add(picture.Bounds().Min.Add(image.Pt(2, 2)))
	at := func(x, y int) int {
		r, g, b, _ := picture.At(x, y).RGBA()
		return int(r+g+b) / 3 >> 8
	}
	ground := at(bounds.Min.X, bounds.Min.Y)
	var figure []bool
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			d := at(x, y) - ground
			figure = append(figure, d > 24 || d < -24)
		}
	}
	return figure
}

func difference(a, b []bool) float64 {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}

// A screen reader goes by the tree that the browser makes for it: a table with
// names for its rows and columns, and words in every cell.
func TestScreenReaderHasATable(t *testing.T) {
	b := open(t, webtest.Organization(time.Now()), light, "/")
	type cell struct{ Header, Region, Text string }
	cells := js[[]cell](b, `[...document.querySelectorAll(".map tbody tr")].flatMap(r => [...r.querySelectorAll("td")].map((c, i) => ({
		Header: r.querySelector("th[scope=row]").innerText, Region: document.querySelectorAll(".map thead th[scope=col]")[i + 1].innerText,
		Text: [...c.querySelector("p").childNodes].filter(n => n.ariaHidden !== "true").map(n => n.textContent).join("").trim()})))`)
	if len(cells) != 12*19 {
		t.Fatalf("%d cells", len(cells))
	}
	for _, c := range cells {
		if c.Header == "" || c.Region == "" || len(c.Text) < 20 {
			t.Errorf("%+v", c)
		}
	}
	roles := map[string]int{}
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		role, name := text(n.Role), text(n.Name)
		roles[role]++
		if role == "StaticText" && strings.Trim(name, "×?−+!") == "" {
			t.Errorf("a screen reader gets %q", name)
		}
	}
	if roles["rowheader"] < 12 || roles["columnheader"] < 20 || roles["table"] < 2 {
		t.Errorf("the tree has %v", roles)
	}
}

// text is what a value of the tree says; it comes as JSON.
func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

func TestPagesAreTurned(t *testing.T) {
	b := open(t, webtest.Large(time.Now(), 5000), light, "/")
	t.Logf("5 000 accounts: %s", js[string](b, `{const t = performance.getEntriesByType("navigation")[0]; ["responseStart", "responseEnd", "domInteractive", "loadEventEnd"].map(k => k + " " + t[k].toFixed()).join(", ")} `)+" ms")
	b.do(chromedp.Click(chromedp.CSS(`nav a[rel=next]`)), chromedp.WaitVisible(chromedp.CSS(`nav a[rel=prev]`)))
	if got := js[string](b, `document.querySelector("caption").innerText`); !strings.HasPrefix(got, "Accounts 51–100 of 5") {
		t.Errorf("the second page has %q", got)
	}
	b.do(chromedp.Click(chromedp.CSS(`.total a`)), chromedp.WaitReady(chromedp.CSS(`option[value=uncovered][selected]`)))
	if got := js[int](b, `document.querySelectorAll(".map td.covered").length`); got != 0 {
		t.Errorf("of accounts with no analyzer at all, %d cells are shown as covered", got)
	}
}
