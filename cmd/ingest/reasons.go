package main

import (
	"fmt"
	"time"

	"errata/internal/accesslog"
)

// reasons explains each reason for a dead letter, and what to do about it.
var reasons = map[accesslog.Reason]string{
	accesslog.ReasonEmpty:         "the record is empty: nothing is lost, but something sends such records",
	accesslog.ReasonMalformed:     "neither JSON nor a line of a known format: describe it under ingest.formats (docs/formats.md)",
	accesslog.ReasonTruncated:     "the record itself is cut off: raise the limit of the gateway, the shipper or Kafka (message.max.bytes)",
	accesslog.ReasonNotAnObject:   "an array contains something other than records: find what else writes to the topic",
	accesslog.ReasonUnknownFormat: "JSON of no known format: describe it under ingest.formats (docs/formats.md)",
	accesslog.ReasonTooMany:       "a message contains too many records: lower the gateway's batch size",
	accesslog.ReasonBadField:      "its status is no HTTP status, or a list stands where an object belongs: check the gateway's log format, or describe it under ingest.formats (docs/formats.md)",
	accesslog.ReasonBadTime:       "its time is before 2000 or more than a day ahead: check the gateway's clock, and the unit and the field of the time",
	accesslog.ReasonTooOld: fmt.Sprintf("its time is more than %d days before the one that Kafka gave it, and the tables keep nothing so old: check the gateway's clock, and the unit and the field of the time",
		accesslog.MaxAge/(24*time.Hour)),
	accesslog.ReasonParserPanic: "the parser panicked on it, which is a fault in Errata and not in the record: report it with the log lines of `ingest run`, and read it again with a later version (`ingest deadletters replay`)",
}
