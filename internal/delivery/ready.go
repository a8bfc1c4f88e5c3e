package delivery

import (
	"errors"
	"fmt"
	"sync"
)

// state is what keeps the ingester from its work, for a probe to ask.
type state struct {
	mu                            sync.Mutex
	begun                         bool
	group, fetch, insert, stopped string // what is wrong; "" when nothing is
}

// say sets one of the fields of state from a format, or clears it when the format is empty.
func (s *state) say(field *string, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*field = ""
	if format != "" {
		*field = fmt.Sprintf(format, args...)
	}
}

// Ready returns why the ingester is not consuming, nil when it is.
func (in *Ingester) Ready() error {
	s := &in.worker.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun && s.group == "" {
		return errors.New("not in the group yet")
	}
	var all []error
	for _, problem := range []string{s.group, s.fetch, s.insert, s.stopped} {
		if problem != "" {
			all = append(all, errors.New(problem))
		}
	}
	return errors.Join(all...)
}
