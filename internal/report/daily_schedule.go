package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says at which times reports go out, on the wall clock of a zone.
type Schedule struct {
	Week bool // each reports on the week before, not on the day before

	spec cron.Schedule
	zone *time.Location
}

// scheduleParser takes the five fields of cron, and names such as @daily.
var scheduleParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseSchedule parses five fields as cron has them, such as "0 9 * * *". Its error continues a
// sentence that begins with the text.
func ParseSchedule(text string, zone *time.Location, week bool) (Schedule, error) {
	if strings.Contains(text, "TZ=") {
		return Schedule{}, errors.New("leave the zone to --zone")
	}
	spec, err := scheduleParser.Parse(text)
	if _, every := spec.(cron.ConstantDelaySchedule); err != nil || every {
		return Schedule{}, errors.New(`give five fields as in cron, minute, hour, day, month and weekday, such as "0 9 * * *" for nine every day or "0 9 * * mon"`)
	}
	s := Schedule{week, spec, zone}
	if s.Next(time.Now()).IsZero() {
		return Schedule{}, errors.New("there is no such day")
	}
	return s, nil
}

// Next returns the first time after another at which reports go out; zero: there is none. Each time
// of the wall clock counts once: if the clocks go back, the first of the two. A time that the
// clocks leave out counts when they have changed.
func (s Schedule) Next(after time.Time) time.Time {
	for wall := wallClock(after.In(s.zone)); ; {
		if wall = s.spec.Next(wall); wall.IsZero() {
			return wall
		}
		if at := instant(wall, s.zone); at.After(after) {
			return at
		}
	}
}

// Date returns the day, or the Monday of the week, that the report of a time is about.
func (s Schedule) Date(at time.Time) time.Time {
	year, month, day := at.In(s.zone).Date()
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if s.Week {
		return monday(date.AddDate(0, 0, -7))
	}
	return date.AddDate(0, 0, -1)
}

// String is the zone and the period of the reports.
func (s Schedule) String() string {
	if s.Week {
		return fmt.Sprintf("weekly in %s", s.zone)
	}
	return fmt.Sprintf("daily in %s", s.zone)
}
