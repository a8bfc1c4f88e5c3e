package delivery

import "context"

// Reconnect is reconnect, and a first question.
func (k *Kafka) Reconnect(ctx context.Context) error {
	k.reconnect()
	_, err := k.leadersOf(ctx)
	return err
}
