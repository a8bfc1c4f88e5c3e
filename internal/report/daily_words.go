package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// DailyLanguages are the languages of daily reports, the default first.
var DailyLanguages = []string{"en", "zh"}

// dailyChinese has the Chinese of every text of daily reports. The English is the key.
var dailyChinese = [][2]string{
	{"Daily error report", "每日错误报告"},
	{"Weekly error report", "每周错误报告"},
	{"all tenants", "全部租户"},
	{"tenant %s", "租户 %s"},
	{"tenants %s", "租户 %s"},
	{"owner %s", "责任方 %s"},
	{"(no tenant)", "（无租户）"},
	{"quiet", "平静"},
	{"watch", "关注"},
	{"act", "处理"},
	{"alert %s is firing", "告警 %s 仍在触发"},
	{"alert %s fired", "告警 %s 触发过"},
	{"records were lost before they were read", "有记录在读取之前丢失"},
	{"%d records could not be used", "%d 条记录无法使用"},
	{"%s of the bodies could not be read", "%s 的响应体无法读取"},
	{"it is not known whether the data is complete", "数据是否完整未知"},
	{"the data is complete only up to %s", "数据仅完整到 %s"},
	{"no requests", "没有请求"},
	{"no requests at all: is the date right, and did the ingester run?", "完全没有请求：日期是否正确？采集程序是否在运行？"},
	{"too little history to say what has changed", "历史数据太少，无法判断变化"},
	{"nothing got worse, %s", "没有恶化，%s"},
	{"%d codes got better", "%d 个错误码好转"},
	{"nothing changed", "没有变化"},
	{"; %d more findings", "；另有 %d 项"},
	{"%s is new for %s: %s", "%[2]s 新出现 %[1]s：%[3]s"},
	{"%s is back for %s: %s", "%[2]s 再次出现 %[1]s：%[3]s"},
	{"%s is back for %s after it was fixed: %s", "%[2]s 修复后再次出现 %[1]s：%[3]s"},
	{"%s rose for %s: %s, %s", "%[2]s 的 %[1]s 增多：%[3]s，%[4]s"},
	{"%s fell for %s: %s, %s", "%[2]s 的 %[1]s 减少：%[3]s，%[4]s"},
	{"%s is gone for %s: %s", "%[2]s 不再出现 %[1]s：%[3]s"},
	{"%d errors", "%d 个错误"},
	{"%d requests", "%d 个请求"},
	{"%d codes", "%d 个错误码"},
	{"%d tenants", "%d 个租户"},
	{"%d weeks", "%d 周"},
	{"%d hours", "%d 小时"},
	{"usually none", "通常没有"},
	{"usually %d", "通常 %d"},
	{"usually %d to %d", "通常 %d 到 %d"},
	{"%s, %s of them with errors", "%s，其中 %s 出错"},
	{"Day before: %s", "前一天：%s"},
	{"Week before: %s", "前一周：%s"},
	{"%s a week before: %s", "上周的%s：%s"},
	{"%s of %d", "%[2]d 中的 %[1]s"},
	{"%s to %s, %s, %s; %s", "%s 至 %s，%s，%s；%s"},
	{"complete", "完整"},
	{"complete up to %s", "完整至 %s"},
	{"completeness unknown", "完整性未知"},
	{"not recorded", "未存档"},
	{"revision %d", "第 %d 版"},
	{"%s, with %s requests and %s errors of late data", "%s（迟到数据：请求 %s，错误 %s）"},
	{"%s, since then %s requests and %s errors", "%s，此后请求 %s，错误 %s"},
	{"What changed", "变化"},
	{"nothing", "无"},
	{"%d more changes", "另有 %d 项变化"},
	{"%d more alerts", "另有 %d 条告警"},
	{"%d pairs of tenant and code, compared with the same weekday of the last %s", "%d 对租户与错误码，与过去 %s的同一星期几比较"},
	{"%d pairs of tenant and code, compared with the last %s", "%d 对租户与错误码，与过去 %s比较"},
	{"of %d tenants too little is known: they have requests in fewer than %d of the past weeks", "%d 个租户的历史不足：过去各周中少于 %d 周有请求"},
	{"new", "新出现"},
	{"regressed", "复发"},
	{"worse", "恶化"},
	{"better", "好转"},
	{"gone", "消失"},
	{"what", "变化"},
	{"code", "错误码"},
	{"tenant", "租户"},
	{"errors", "错误"},
	{"usually", "通常"},
	{"owner", "责任方"},
	{"link", "链接"},
	{"family", "族"},
	{"kind", "类型"},
	{"share", "占比"},
	{"week before", "上周"},
	{"requests", "请求"},
	{"with errors", "出错请求"},
	{"error share", "出错率"},
	{"tenants", "租户"},
	{"most in", "最常见参数"},
	{"description", "说明"},
	{"remedy", "处理办法"},
	{"first seen", "首次出现"},
	{"message", "消息"},
	{"top code", "最多的错误码"},
	{"rule", "规则"},
	{"labels", "标签"},
	{"fired", "触发次数"},
	{"at", "时间"},
	{"state", "状态"},
	{"reason", "原因"},
	{"acknowledged", "已确认"},
	{"ignored", "已忽略"},
	{"fixed", "已修复"},
	{"code state", "标记"},
	{"%s until %s", "%s，至 %s"},
	{"%s up to %s", "%s，上限 %s"},
	{"%s (%s: %s)", "%s（%s：%s）"},
	{"firing", "触发中"},
	{"over", "已结束"},
	{"none", "无"},
	{"caller", "调用方"},
	{"operator", "运维方"},
	{"vendor", "厂商"},
	{"Top codes", "最多的错误码"},
	{"Top tenants", "错误最多的租户"},
	{"By the hour", "按小时"},
	{"By the day", "按天"},
	{"most at %s: %s", "最多在 %s：%s"},
	{"By family", "按族"},
	{"By kind", "按类型"},
	{"What we could not see", "看不到的部分"},
	{"Alerts", "告警"},
	{"Unknown codes", "未知错误码"},
	{"no catalog lists them; this drafts a catalog:", "没有目录收录它们；以下命令起草目录："},
	{"%d others", "其余 %d 个"},
	{"and %d more", "另有 %d 个"},
	{"gateway %s is new since %s: %s", "网关 %s 自 %s 起新出现：%s"},
	{"a gateway is new since %s: %s", "自 %s 起有新网关：%s"},
	{"%s with codes that were never met before: %s", "%s，含首次出现的错误码：%s"},
	{"%s no longer come: gateway %s sends nothing readable", "%s 不再出现：网关 %s 没有可读数据"},
	{"%s no longer come: their gateway sends nothing readable", "%s 不再出现：其网关没有可读数据"},
	{"tenant %s is new since %s: %s with %s", "租户 %s 自 %s 起新出现：%s，%s"},
	{"tenant %s sends no requests", "租户 %s 没有请求"},
	{"%s since the parser changed at %s: %s", "%s 自 %s 解析器变更后出现：%s"},
	{"%s since the catalogs changed at %s: %s", "%s 自 %s 目录变更后出现：%s"},
	{"%s changed where records were lost: %s", "%s 因记录丢失而变化：%s"},
	{"%s: the bodies of %s (%s) could not be read", "%s：%s（%s）的响应体无法读取"},
	{"%s: %s were cut off and read in part", "%s：%s 被截断，仅部分读取"},
	{"all gateways", "全部网关"},
	{"%d records lost: %s/%d, offsets %s to %s, between %s and %s (%s)", "丢失 %d 条记录：%s/%d，偏移 %s 至 %s，%s 与 %s 之间（%s）"},
	{"records lost between %s and %s (%s)", "%s 与 %s 之间有记录丢失（%s）"},
	{"%d dead letters: %s", "%d 条死信：%s"},
	{"the tenant or route of %s is counted as (other)", "%s 的租户或路由计为 (other)"},
	{"Everything could be seen.", "全部可见。"},
	{"All figures", "全部数据"},
}

// dailyCatalog has the texts of daily reports.
var dailyCatalog = newDailyCatalog()

func newDailyCatalog() catalog.Catalog {
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, text := range dailyChinese {
		if err := b.SetString(language.Chinese, text[0], text[1]); err != nil {
			panic(err)
		}
	}
	for _, text := range []struct{ one, other string }{
		{"%d error", "%d errors"}, {"%d request", "%d requests"}, {"%d code", "%d codes"}, {"%d tenant", "%d tenants"}, {"%d week", "%d weeks"},
		{"%d hour", "%d hours"}, {"%d other", "%d others"}, {"; %d more finding", "; %d more findings"}, {"%d code got better", "%d codes got better"},
		{"%d record could not be used", "%d records could not be used"}, {"%d dead letter: %s", "%d dead letters: %s"},
		{"%d more change", "%d more changes"}, {"%d more alert", "%d more alerts"},
	} {
		if err := b.Set(language.English, text.other, plural.Selectf(1, "%d", plural.One, text.one, plural.Other, text.other)); err != nil {
			panic(err)
		}
	}
	return b
}

// dailyPrinter prints texts in the language of a report, with its numbers and in its zone.
type dailyPrinter struct {
	*message.Printer
	zone *time.Location
	from time.Time
	lang string
}

func (d Daily) printer() dailyPrinter {
	tag := language.English
	if d.Lang == "zh" {
		tag = language.Chinese
	}
	return dailyPrinter{message.NewPrinter(tag, message.Catalog(dailyCatalog)), d.zone, d.From.Time, d.Lang}
}

// word returns a word of the report, such as a column's name.
func (p dailyPrinter) word(key string) string { return p.Sprintf(message.Key(key, key)) }

func (p dailyPrinter) number(n uint64) string   { return p.Sprintf("%d", n) }
func (p dailyPrinter) errors(n uint64) string   { return p.Sprintf("%d errors", n) }
func (p dailyPrinter) requests(n uint64) string { return p.Sprintf("%d requests", n) }
func (p dailyPrinter) percent(x float64) string {
	switch {
	case x == 0:
		return "0 %"
	case x < 0.0001:
		return "< 0.01 %"
	case x < 0.1:
		return strconv.FormatFloat(100*x, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

func (p dailyPrinter) more(n int) string { return p.Sprintf("; %d more findings", n) }

// tenant is the name of a tenant.
func (p dailyPrinter) tenant(name string) string {
	if name == "" {
		return p.Sprintf("(no tenant)")
	}
	return name
}

// time is a time in the report's zone: without the date on the day itself.
func (p dailyPrinter) time(t time.Time) string {
	local := t.In(p.zone)
	if local.Format(time.DateOnly) == p.from.In(p.zone).Format(time.DateOnly) {
		return local.Format("15:04")
	}
	return local.Format("2006-01-02 15:04")
}

// weekday is the name of the report's day of the week.
func (p dailyPrinter) weekday() string {
	day := p.from.In(p.zone).Weekday()
	if p.lang == "zh" {
		return "周" + string([]rune("日一二三四五六")[day])
	}
	return day.String()
}

// usual says what is usual for a change.
func (p dailyPrinter) usual(c Change) string {
	switch {
	case c.UsualHigh == 0, c.Change == IsNew:
		return p.Sprintf("usually none")
	case c.UsualLow == c.UsualHigh:
		return p.Sprintf("usually %d", c.UsualLow)
	}
	return p.Sprintf("usually %d to %d", c.UsualLow, c.UsualHigh)
}

// change says what changed in one clause.
func (p dailyPrinter) change(c Change) string {
	tenant := p.tenant(c.Tenant)
	switch c.Change {
	case IsNew:
		return p.Sprintf("%s is new for %s: %s", c.Code, tenant, p.errors(c.Errors))
	case IsRegressed:
		if c.Returned > 0 {
			return p.Sprintf("%s is back for %s after it was fixed: %s", c.Code, tenant, p.errors(c.Returned))
		}
		return p.Sprintf("%s is back for %s: %s", c.Code, tenant, p.errors(c.Errors))
	case IsWorse:
		return p.Sprintf("%s rose for %s: %s, %s", c.Code, tenant, p.errors(c.Errors), p.usual(c))
	case IsGone:
		return p.Sprintf("%s is gone for %s: %s", c.Code, tenant, p.usual(c))
	}
	return p.Sprintf("%s fell for %s: %s, %s", c.Code, tenant, p.errors(c.Errors), p.usual(c))
}

// cause says what codes look changed and why.
func (p dailyPrinter) cause(e Explained) string {
	codes, names := p.Sprintf("%d codes", len(e.Codes)), p.some(e.Codes)
	since := p.time(e.Since.Time)
	switch {
	case e.Cause == NewGateway:
		what := p.errors(e.Errors)
		if len(e.Codes) > 0 {
			what = p.Sprintf("%s with codes that were never met before: %s", what, names)
		}
		if e.Name == "" {
			return p.Sprintf("a gateway is new since %s: %s", since, what)
		}
		return p.Sprintf("gateway %s is new since %s: %s", e.Name, since, what)
	case e.Cause == SilentGateway && e.Name != "":
		return p.Sprintf("%s no longer come: gateway %s sends nothing readable", codes, e.Name)
	case e.Cause == SilentGateway:
		return p.Sprintf("%s no longer come: their gateway sends nothing readable", codes)
	case e.Cause == NewTenant:
		return p.Sprintf("tenant %s is new since %s: %s with %s", p.tenant(e.Name), since, codes, p.errors(e.Errors))
	case e.Cause == SilentTenant:
		return p.Sprintf("tenant %s sends no requests", p.tenant(e.Name))
	case e.Cause == NewParser:
		return p.Sprintf("%s since the parser changed at %s: %s", codes, since, names)
	case e.Cause == NewCatalogs:
		return p.Sprintf("%s since the catalogs changed at %s: %s", codes, since, names)
	}
	return p.Sprintf("%s changed where records were lost: %s", codes, names)
}

// some names the first few.
func (p dailyPrinter) some(names []string) string {
	const most = 5
	text := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		text += " " + p.Sprintf("and %d more", more)
	}
	return text
}

// heading names the report: what, when and of whom.
func (d Daily) heading() (title, subject string) {
	p := d.printer()
	title = p.word("Daily error report")
	date := p.weekday() + " " + d.Date
	if d.Week {
		title = p.word("Weekly error report")
		_, week := d.From.In(d.zone).ISOWeek()
		date = fmt.Sprintf("%s – %s, W%d", d.Date, d.To.In(d.zone).AddDate(0, 0, -1).Format(time.DateOnly), week)
	}
	whom := p.word("all tenants")
	if len(d.Tenants) > 0 {
		names := make([]string, len(d.Tenants))
		for i, name := range d.Tenants {
			names[i] = p.tenant(name)
		}
		if len(names) == 1 {
			whom = p.Sprintf("tenant %s", names[0])
		} else {
			whom = p.Sprintf("tenants %s", strings.Join(names, ", "))
		}
	}
	if d.Owner != "" {
		whom += ", " + p.Sprintf("owner %s", p.word(d.Owner))
	}
	return title, date + ", " + whom
}

// requestsLine says how many requests and errors there were, also before.
func (d Daily) requestsLine() string {
	p := d.printer()
	counts := func(t DailyTotals) string {
		return p.Sprintf("%s, %s of them with errors", p.requests(t.Requests), p.percent(t.Share))
	}
	line := counts(d.Totals) + "; " + p.errors(d.Totals.Errors)
	if d.Week {
		return line + ". " + p.Sprintf("Week before: %s", counts(d.Previous))
	}
	before := func(t DailyTotals) string { return p.Sprintf("%s of %d", p.percent(t.Share), t.Requests) }
	return line + ". " + p.Sprintf("Day before: %s", before(d.Previous)) + "; " + p.Sprintf("%s a week before: %s", p.weekday(), before(d.LastWeek))
}

// windowLine says which time the report is of, and whether all of it is counted.
func (d Daily) windowLine() string {
	p := d.printer()
	const layout = "2006-01-02 15:04 -07:00"
	complete := p.word("complete")
	switch {
	case d.Watermark.IsZero():
		complete = p.word("completeness unknown")
	case !d.Complete:
		complete = p.Sprintf("complete up to %s", d.Watermark.In(d.zone).Format(layout))
	}
	hours := p.Sprintf("%d hours", int(d.Hours))
	return p.Sprintf("%s to %s, %s, %s; %s", d.From.In(d.zone).Format(layout), d.To.In(d.zone).Format(layout), d.Zone+" ("+hours+")", complete, p.revision(d.Revision))
}

// command is the shell command that starts catalogs for the unknown codes.
func (d Daily) command() string {
	line := "report catalog drift --from " + d.From.UTC().Format(time.RFC3339) + " --to " + d.To.UTC().Format(time.RFC3339)
	for _, t := range d.Tenants {
		line += " --tenant '" + strings.ReplaceAll(t, "'", `'\''`) + "'"
	}
	return line + " --emit=drafts"
}
