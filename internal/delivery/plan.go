package delivery

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// plan is what a commit's metadata holds: the boundaries of the batches from the committed offset
// on that may have been inserted, and who cut them. Whoever reads it can repeat exactly those inserts.
type plan struct {
	Fingerprint string // of the parser and the mapping that made the rows
	Epoch       uint32
	Offset      int64 // the committed offset: where the first run begins
	Runs        []run // in order, without a gap
}

// run is the offsets first to last, both included.
type run struct{ first, last int64 }

func (r run) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

// end is the offset behind the planned runs.
func (p plan) end() int64 {
	if len(p.Runs) == 0 {
		return p.Offset
	}
	return p.Runs[len(p.Runs)-1].last + 1
}

// planVersion is the first field of the metadata. An ingester that meets another leaves the group.
const planVersion = "1"

// maxMetadata is Kafka's default limit for a commit's metadata (offset.metadata.max.bytes), in bytes.
const maxMetadata = 4096

// errPlanVersion says that a plan was written by an ingester of another version than ours.
var errPlanVersion = errors.New("the plan is of a version that we do not know")

// encode writes the metadata: version, fingerprint, epoch, and the lengths of the runs as varints in base64.
func (p plan) encode() string {
	var lengths []byte
	for _, r := range p.Runs {
		lengths = binary.AppendUvarint(lengths, uint64(r.last-r.first+1))
	}
	return strings.Join([]string{planVersion, p.Fingerprint, strconv.FormatUint(uint64(p.Epoch), 10), base64.RawStdEncoding.EncodeToString(lengths)}, ";")
}

// full tells whether another run might not fit in the metadata.
func (p plan) full() bool {
	return len(p.encode())+base64.RawStdEncoding.EncodedLen(binary.MaxVarintLen64)+4 > maxMetadata
}

// decodePlan reads the metadata of a commit. Metadata that is empty is a plan without runs, since
// others may have committed for the group; any other that is not ours is an error.
func decodePlan(offset int64, metadata string) (plan, error) {
	p := plan{Offset: offset}
	if metadata == "" {
		return p, nil
	}
	fields := strings.Split(metadata, ";")
	if fields[0] != planVersion || len(fields) != 4 {
		return p, fmt.Errorf("%w: metadata %.40q", errPlanVersion, metadata)
	}
	epoch, err := strconv.ParseUint(fields[2], 10, 32)
	if err != nil {
		return p, fmt.Errorf("%w: epoch %q", errPlanVersion, fields[2])
	}
	lengths, err := base64.RawStdEncoding.DecodeString(fields[3])
	if err != nil {
		return p, fmt.Errorf("%w: %w", errPlanVersion, err)
	}
	p.Fingerprint, p.Epoch = fields[1], uint32(epoch)
	for next := offset; len(lengths) > 0; {
		length, n := binary.Uvarint(lengths)
		if n <= 0 || length == 0 || length > 1<<40 {
			return p, fmt.Errorf("%w: broken boundaries", errPlanVersion)
		}
		p.Runs = append(p.Runs, run{next, next + int64(length) - 1})
		next, lengths = next+int64(length), lengths[n:]
	}
	return p, nil
}
