package chaos

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"errata/internal/stack/stacktest"
)

// fault is one way to break something.
type fault struct {
	name string
	plan func(*run) strike // draws who is hit, and for how long
}

// strike is a fault that will happen.
type strike struct {
	what  string        // as the log tells it
	needs []string      // what no other strike may touch at the same time
	own   []partition   // whose consumers or leaders are hit
	lasts time.Duration // from begin to end
	begin func() error
	end   func() error
}

// faults are all that can happen to the rig.
var faults = []fault{
	{"ingester killed, back at once", func(c *run) strike { return c.killed(0) }},
	{"ingester killed, back later", func(c *run) strike { return c.killed(c.between(7, 11)) }},
	{"ingester stopped, back at once", (*run).stopped},
	{"ingester frozen past its session, then awake", (*run).frozen},
	{"one member more joins and leaves", (*run).joined},
	{"broker killed", (*run).brokerKilled},
	{"ClickHouse killed", (*run).clickHouseKilled},
	{"ingester's way to Kafka refused", func(c *run) strike {
		in := c.victim()
		return c.link(in, in.toKafka, "Kafka refuses", refuse, accept)
	}},
	{"ingester's way to Kafka silent", func(c *run) strike {
		in := c.victim()
		return c.link(in, in.toKafka, "no packet gets through to Kafka from", silence, speak)
	}},
	{"ingester's way to ClickHouse refused", func(c *run) strike {
		in := c.victim()
		return c.link(in, []*stacktest.Proxy{in.toClickHouse}, "ClickHouse refuses", refuse, accept)
	}},
	{"ingester's way to ClickHouse silent", func(c *run) strike {
		in := c.victim()
		return c.link(in, []*stacktest.Proxy{in.toClickHouse}, "no packet gets through to ClickHouse from", silence, speak)
	}},
	{"answers to INSERTs come after the timeout", func(c *run) strike {
		cut := c.random.IntN(2) == 0
		return c.heldUp("answers", func(in *inserts, d disturbance) { d.cut = cut; in.holdAnswers(d) })
	}},
	{"rows of INSERTs arrive after the timeout", func(c *run) strike { return c.heldUp("rows", (*inserts).holdRows) }},
	{"every INSERT is repeated", (*run).repeated},
}

// kills are the faults that kill a process.
func kills() (some []fault) {
	for _, f := range faults {
		if strings.Contains(f.name, "killed") {
			some = append(some, f)
		}
	}
	return some
}

func refuse(p *stacktest.Proxy) error  { p.Refuse(); return nil }
func accept(p *stacktest.Proxy) error  { return p.Accept() }
func silence(p *stacktest.Proxy) error { p.Silence(); return nil }
func speak(p *stacktest.Proxy) error   { p.Speak(); return nil }

// between draws a time between two numbers of seconds.
func (c *run) between(least, most float64) time.Duration {
	return time.Duration((least + c.random.Float64()*(most-least)) * float64(time.Second)).Round(100 * time.Millisecond)
}

// victim draws one of the ingesters that are always there.
func (c *run) victim() *ingester { return c.rig.ingesters[c.random.IntN(members)] }

// settings draws what an ingester is started with. Limits that nothing reaches give the same rows
// under another fingerprint, as two versions of the parser do in a rolling upgrade.
func (c *run) settings() string {
	return fmt.Sprint(variable("ingest.limits.tenants"), "=", 5000+1000*c.random.IntN(c.parsers))
}

func slotName(in *ingester) string { return fmt.Sprintf("ingester %d", in.slot) }

func (c *run) killed(away time.Duration) strike {
	in, settings := c.victim(), c.settings()
	return strike{
		what: fmt.Sprintf("kill -9 of %s, back after %v with %s", slotName(in), away, settings), needs: []string{slotName(in)}, own: c.owners[in.slot], lasts: away,
		begin: func() error { in.kill(); return nil },
		end:   func() error { return in.start(settings) },
	}
}

func (c *run) stopped() strike {
	in, settings := c.victim(), c.settings()
	return strike{
		what: fmt.Sprintf("SIGTERM to %s, back at once with %s", slotName(in), settings), needs: []string{slotName(in)}, own: c.owners[in.slot],
		begin: in.stop,
		end:   func() error { return in.start(settings) },
	}
}

func (c *run) frozen() strike {
	in, lasts := c.victim(), c.between(7, 12)
	return strike{
		what: fmt.Sprintf("SIGSTOP of %s for %v, then SIGCONT", slotName(in), lasts), needs: []string{slotName(in)}, own: c.owners[in.slot], lasts: lasts,
		begin: func() error { in.process().Signal(syscall.SIGSTOP); return nil },
		end:   func() error { in.process().Signal(syscall.SIGCONT); return nil },
	}
}

func (c *run) joined() strike {
	in, settings, stays, orderly := c.rig.ingesters[members], c.settings(), c.between(4, 9), c.random.IntN(2) == 0
	leave, how := in.stop, "SIGTERM"
	if !orderly {
		leave, how = func() error { in.kill(); return nil }, "kill -9"
	}
	return strike{
		what: fmt.Sprintf("%s joins with %s and leaves after %v by %s", slotName(in), settings, stays, how), needs: []string{slotName(in)}, lasts: stays,
		begin: func() error { return in.start(settings) },
		end:   leave,
	}
}

func (c *run) brokerKilled() strike {
	b, away := c.rig.brokers[c.random.IntN(len(c.rig.brokers))], c.between(0, 8)
	return strike{
		what: fmt.Sprintf("kill -9 of broker %d, back after %v", b.ID, away), needs: []string{"brokers"}, own: c.rig.ledBy(c.ctx, b.ID, c.load.topic), lasts: away,
		begin: func() error { b.Kill(); return nil },
		end:   func() error { return b.Start(c.ctx) },
	}
}

func (c *run) clickHouseKilled() strike {
	away := c.between(0, 6)
	return strike{
		what: fmt.Sprintf("kill -9 of ClickHouse, back after %v", away), needs: []string{"ClickHouse"}, own: c.all(), lasts: away,
		begin: c.rig.killClickHouse,
		end:   func() error { return c.rig.restartClickHouse(c.ctx) },
	}
}

func (c *run) link(in *ingester, proxies []*stacktest.Proxy, what string, begin, end func(*stacktest.Proxy) error) strike {
	lasts := c.between(2, 11)
	each := func(do func(*stacktest.Proxy) error) func() error {
		return func() error {
			for _, p := range proxies {
				if err := do(p); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return strike{
		what: fmt.Sprintf("%s %s for %v", what, slotName(in), lasts), needs: []string{slotName(in)}, own: c.owners[in.slot], lasts: lasts,
		begin: each(begin), end: each(end),
	}
}

// insertTimeout is how long the ingesters wait for the answer to an INSERT.
const insertTimeout = 3 * time.Second

func (c *run) heldUp(what string, hold func(*inserts, disturbance)) strike {
	in := c.victim()
	d := disturbance{times: 1 + c.random.IntN(3), hold: insertTimeout + c.between(0.5, 4)}
	return strike{
		what: fmt.Sprintf("%s of the next %d INSERTs of %s are held for %v", what, d.times, slotName(in), d.hold), needs: []string{slotName(in)}, own: c.owners[in.slot],
		lasts: time.Duration(d.times) * (insertTimeout + time.Second), // each is given up by then, and repeated
		begin: func() error { hold(in.inserts, d); return nil },
		end:   func() error { hold(in.inserts, disturbance{}); return nil },
	}
}

func (c *run) repeated() strike {
	lasts := c.between(5, 10)
	all := func(on bool) func() error {
		return func() error {
			for _, in := range c.rig.ingesters {
				in.inserts.repeatAll(on)
			}
			return nil
		}
	}
	return strike{what: fmt.Sprintf("every INSERT of every ingester is repeated for %v", lasts), needs: []string{"INSERTs"}, own: c.all(), lasts: lasts, begin: all(true), end: all(false)}
}
