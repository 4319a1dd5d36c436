/**
 * Patterns of grok by their usual names (logstash-patterns-core, ecs-v1 and legacy), written anew for
 * engines without look-around: where the originals try several readings of the same characters,
 * these have one, so that what is made of them stays linear. `%{NAME}` in one stands for another.
 */
export const GROK_PATTERNS: Readonly<Record<string, string>> = {
  // Words
  USERNAME: "[a-zA-Z0-9._-]+",
  USER: "%{USERNAME}",
  WORD: "\\w+",
  NOTSPACE: "\\S+",
  SPACE: "\\s*",
  DATA: ".*?",
  GREEDYDATA: ".*",
  QUOTEDSTRING: "(?:\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`)",
  QS: "%{QUOTEDSTRING}",
  UUID: "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
  EMAILLOCALPART: "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}",
  EMAILADDRESS: "%{EMAILLOCALPART}@%{HOSTNAME}",

  // Numbers
  INT: "[+-]?[0-9]+",
  POSINT: "[1-9][0-9]*",
  NONNEGINT: "[0-9]+",
  BASE10NUM: "[+-]?(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)",
  NUMBER: "%{BASE10NUM}",
  BASE16NUM: "[+-]?(?:0[xX])?[0-9A-Fa-f]+",
  BASE16FLOAT: "[+-]?(?:0[xX])?[0-9A-Fa-f]+(?:\\.[0-9A-Fa-f]*)?",

  // Networks
  MAC: "[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}",
  COMMONMAC: "%{MAC}",
  CISCOMAC: "[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{4}",
  IPV4: "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
  IPV6: "[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[0-9A-Za-z]+)?",
  IP: "(?:%{IPV4}|%{IPV6})",
  HOSTNAME: "[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\\.?",
  HOST: "%{HOSTNAME}",
  IPORHOST: "[0-9A-Za-z:][0-9A-Za-z:._%-]*",
  HOSTPORT: "[0-9A-Za-z][0-9A-Za-z._-]*:%{POSINT}",

  // Paths and addresses of the web
  UNIXPATH: "/[^\\s?\"'<>|]*",
  WINPATH: "(?:[A-Za-z]:|\\\\)(?:\\\\[^\\\\?*\\s]*)+",
  PATH: "(?:%{UNIXPATH}|%{WINPATH})",
  TTY: "/dev/[0-9A-Za-z/]+",
  URIPROTO: "[A-Za-z][A-Za-z0-9+.-]*",
  URIHOST: "[0-9A-Za-z\\[][0-9A-Za-z._\\[\\]-]*(?::[0-9]{1,5})?",
  URIPATH: '/[^\\s?#"]*',
  URIQUERY: '[^\\s#"]*',
  URIPARAM: "\\?%{URIQUERY}",
  URIPATHPARAM: "%{URIPATH}(?:%{URIPARAM})?",
  URI: "%{URIPROTO}://(?:[^\\s/@]*@)?%{URIHOST}(?:%{URIPATHPARAM})?",

  // Dates and times
  MONTH: "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*",
  MONTHNUM: "[0-9]{1,2}",
  MONTHNUM2: "[0-9]{2}",
  MONTHDAY: "[0-9]{1,2}",
  DAY: "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*",
  YEAR: "[0-9]{2,4}",
  HOUR: "[0-9]{1,2}",
  MINUTE: "[0-9]{2}",
  SECOND: "[0-9]{2}(?:[.,:][0-9]+)?",
  TIME: "%{HOUR}:%{MINUTE}(?::%{SECOND})?",
  DATE_US: "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
  DATE_EU: "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
  DATE: "[0-9]{1,2}[./-][0-9]{1,2}[./-]%{YEAR}",
  DATESTAMP: "%{DATE}[- ]%{TIME}",
  TZ: "[A-Z]{3,4}",
  ISO8601_TIMEZONE: "(?:Z|[+-]%{HOUR}(?::?%{MINUTE})?)",
  ISO8601_SECOND: "[0-9]{2}(?:[.,][0-9]+)?",
  TIMESTAMP_ISO8601:
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
  DATESTAMP_RFC822: "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
  DATESTAMP_RFC2822: "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
  DATESTAMP_OTHER: "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
  DATESTAMP_EVENTLOG: "[0-9]{14}",
  HTTPDATE: "[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}",
  SYSLOGTIMESTAMP: "[A-Z][a-z]{2} +[0-9]{1,2} [0-9]{2}:[0-9]{2}:[0-9]{2}",

  // Programs
  PROG: "[^\\s\\[\\]:]+",
  SYSLOGPROG: "%{PROG:program}(?:\\[%{POSINT:pid}\\])?",
  SYSLOGHOST: "%{IPORHOST}",
  SYSLOGFACILITY: "<%{NONNEGINT:facility}\\.%{NONNEGINT:priority}>",
  SYSLOGBASE:
    "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
  SYSLOGLINE: "%{SYSLOGBASE} %{GREEDYDATA:message}",
  LOGLEVEL:
    "(?i:trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?|alert)",
  JAVACLASS: "[a-zA-Z_$][a-zA-Z0-9_$.]*",
  JAVAFILE: "[a-zA-Z$_0-9. -]+",
  JAVAMETHOD: "(?:<(?:cl)?init>|[a-zA-Z$_][a-zA-Z$_0-9]*)",
  JAVASTACKTRACEPART: "\\s*at %{JAVACLASS:class}\\((?:%{JAVAFILE:file})(?::%{INT:line})?\\)",

  // Whole lines
  COMMONAPACHELOG:
    '%{IPORHOST:clientip} %{NOTSPACE:ident} %{NOTSPACE:auth} \\[%{HTTPDATE:timestamp}\\] "(?:%{WORD:verb} (?<request>[^\\s"]+)(?: HTTP/%{NUMBER:httpversion})?|-)" %{NONNEGINT:response} (?:%{NONNEGINT:bytes}|-)',
  COMBINEDAPACHELOG: '%{COMMONAPACHELOG} "(?<referrer>[^"]*)" "(?<agent>[^"]*)"',
  HTTPD_COMMONLOG: "%{COMMONAPACHELOG}",
  HTTPD_COMBINEDLOG: "%{COMBINEDAPACHELOG}",
};
