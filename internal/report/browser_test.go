package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// browser is a headless Chromium that the test controls by the DevTools protocol, over a pipe: each
// message is JSON that ends with a zero byte.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	last    int
	noise   []string // what the page complained about, and what it loaded from elsewhere
	loaded  bool
}

// browserPatience is how long a command may take before the test gives up.
const browserPatience = 2 * time.Minute

func startBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		stacktest.Must(t, &stack.Missing{Part: "there is no chromium on the PATH", Remedy: "apt-get install chromium"})
	}
	theirs, to, err := os.Pipe()
	stacktest.Must(t, err)
	from, theirOut, err := os.Pipe()
	stacktest.Must(t, err)
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirOut}
	stacktest.Must(t, cmd.Start())
	theirs.Close()
	theirOut.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	stacktest.Must(t, from.SetReadDeadline(time.Now().Add(browserPatience)))
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		to.Close()
		cmd.Wait()
		from.Close()
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Network", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends a command and decodes its result.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.last++
	message := map[string]any{"id": b.last, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	stacktest.Must(b.t, err)
	_, err = b.to.Write(append(text, 0))
	stacktest.Must(b.t, err)
	for {
		answer := b.read()
		if answer.ID != b.last {
			continue
		}
		if answer.Error.Message != "" {
			b.t.Fatalf("%s: %s", method, answer.Error.Message)
		}
		if result != nil {
			stacktest.Must(b.t, json.Unmarshal(answer.Result, result))
		}
		return
	}
}

// answer is an answer or an event.
type answer struct {
	ID     int
	Result json.RawMessage
	Error  struct{ Message string }
	Method string
	Params json.RawMessage
}

func (b *browser) read() (a answer) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	stacktest.Must(b.t, err)
	stacktest.Must(b.t, json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &a))
	switch a.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
		b.noise = append(b.noise, string(a.Params))
	case "Network.requestWillBeSent":
		var sent struct{ Request struct{ URL string } }
		stacktest.Must(b.t, json.Unmarshal(a.Params, &sent))
		if !strings.HasPrefix(sent.Request.URL, "file://") || !strings.HasSuffix(sent.Request.URL, "/page.html") {
			b.noise = append(b.noise, "it loads "+sent.Request.URL)
		}
	}
	return a
}

// look is how a page is looked at.
type look struct {
	media, scheme string // screen or print; light or dark
	width         int
}

// open shows HTML in a window of the look.
func (b *browser) open(html string, as look) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "page.html")
	stacktest.Must(b.t, os.WriteFile(file, []byte(html), 0o600))
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": as.width, "height": 900, "deviceScaleFactor": 1, "mobile": as.width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": as.media, "features": []map[string]string{{"name": "prefers-color-scheme", "value": as.scheme}}}, nil)
	b.noise, b.loaded = nil, false
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for !b.loaded {
		b.read()
	}
}

// evaluate runs an expression in the page.
func (b *browser) evaluate(expression string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s", answer.ExceptionDetails)
	}
	stacktest.Must(b.t, json.Unmarshal(answer.Result.Value, result))
}

// picture returns the page as PNG, down to a height, 0 for all of it.
func (b *browser) picture(width, height int) []byte {
	b.t.Helper()
	if height == 0 {
		b.evaluate("document.documentElement.scrollHeight", &height)
	}
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}, &shot)
	return shot.Data
}

// pdf prints the page on A4.
func (b *browser) pdf() []byte {
	b.t.Helper()
	var printed struct{ Data []byte }
	b.call("Page.printToPDF", map[string]any{"preferCSSPageSize": true, "printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69}, &printed)
	return printed.Data
}

// findings are what is wrong with how a page looks, found in the browser: elements that reach
// beyond the window, and texts whose contrast with what is behind them is below WCAG 2's level AA,
// 4.5, or 3 for large text.
const findings = `(() => {
  const found = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  const rgb = text => { const m = text.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const probe = document.createElement('i'); probe.style.backgroundColor = 'Canvas'; document.body.append(probe);
  const canvas = rgb(getComputedStyle(probe).backgroundColor).slice(0, 3); probe.remove();
  const luminance = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c.slice(0, 3); }
    return canvas; };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let n; (n = texts.nextNode());) {
    const e = n.parentElement, style = getComputedStyle(e);
    if (!n.textContent.trim() || style.visibility === 'hidden' || !e.getClientRects().length || e.closest('svg')) continue;
    seen++;
    const range = document.createRange(); range.selectNodeContents(n);
    const box = range.getBoundingClientRect();
    if (box.right > width + 1) found.push('beyond the window: ' + n.textContent.trim().slice(0, 60));
    const a = luminance(rgb(style.color)), b = luminance(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 600;
    if (ratio < (large ? 3 : 4.5)) found.push('contrast ' + ratio.toFixed(2) + ': ' + n.textContent.trim().slice(0, 60));
  }
  if (seen < 10) found.push('only ' + seen + ' texts are visible');
  return found;
})()`

// check reports what is wrong with the page as it is shown.
func (b *browser) check(name string) {
	b.t.Helper()
	var found []string
	b.evaluate(findings, &found)
	for _, finding := range append(found, b.noise...) {
		b.t.Errorf("%s: %s", name, finding)
	}
}

// keep writes a picture or a PDF for a person to look at, if PICTURES names a folder.
func keep(t *testing.T, name string, data []byte) {
	t.Helper()
	if dir := os.Getenv("PICTURES"); dir != "" {
		stacktest.Must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
}

// The report of a day and its mail look right in a browser: light, dark, on a phone and on paper.
// With PICTURES=DIR, the pictures are kept there.
func TestDailyLooksRight(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	for _, lang := range DailyLanguages {
		for _, day := range []struct {
			name string
			of   Daily
		}{{"daily", sampleDay(t, lang)}, {"quiet", quietDay(t, lang)}} {
			var page strings.Builder
			stacktest.Must(t, day.of.html(&page))
			_, _, mail, err := day.of.Mail()
			stacktest.Must(t, err)
			for _, as := range []look{{"screen", "light", 1100}, {"screen", "dark", 1100}, {"screen", "light", 390}, {"screen", "dark", 390}} {
				for _, shown := range []struct{ name, html string }{{day.name, page.String()}, {day.name + "-mail", mail}} {
					name := fmt.Sprintf("%s-%s-%s-%d", shown.name, lang, as.scheme, as.width)
					b.open(shown.html, as)
					b.check(name)
					if os.Getenv("PICTURES") != "" {
						keep(t, name+".png", b.picture(as.width, 0))
					}
				}
			}
			const paper = 703 // CSS pixels between the margins of A4
			b.open(page.String(), look{"print", "light", paper})
			b.check(day.name + " on paper")
			printed := b.pdf()
			keep(t, day.name+"-"+lang+".pdf", printed)
			if pages := bytes.Count(printed, []byte("/Type /Page\n")); pages < 1 || pages > 4 || day.name == "quiet" && pages > 1 {
				t.Errorf("%s in %s is printed on %d pages", day.name, lang, pages)
			}
		}
	}
}
