package accesslog

// Half returns the id of a request if its access is one of two records that the gateway wrote of
// it: Gravitee's metrics, which have the latency and the application, and its log, which has the
// bodies. It returns "" if the access stands for itself.
func (a *Access) Half() (id string, isLog bool) {
	if a.Format != "gravitee" {
		return "", false
	}
	return a.RequestID.String(), !a.HasLatency
}

// Joined returns a log completed from the metrics of the same request.
func (a Access) Joined(metrics Access) Access { return a.filled(metrics) }
