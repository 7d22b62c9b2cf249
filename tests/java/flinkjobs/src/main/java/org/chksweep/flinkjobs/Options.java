package org.chksweep.flinkjobs;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The command line: --name value, in pairs; what nobody asks about is refused. */
final class Options {
  static final String HELP =
      """
      run    --ckpt-dir URI --work-dir DIR [--name value]...    a job; leaves its checkpoints in the directory
      verify --restore URI --work-dir DIR [--name value]...     restores and checks every key's state
      dump   LOCATION...                                        what `_metadata` names, by Flink's own reader
      tree   URI                                                every entry below it

      Prints JSON, one object a line: events, then {"event":"result",...} or {"event":"failed","error":...}.
      The end of standard input ends it, so that a killed test leaves no orphan.

      Both jobs (what verify needs of them is in the result of run, as "verify"):
        --work-dir DIR               local state and temporary files; needed
        --state rocksdb|hashmap|forst         default rocksdb; forst with Flink 2 only
        --seed N --keys N --value-bytes N --splits N --parallelism N --max-parallelism N --timers BOOL
        --changelog BOOL [--dstl-dir URI --materialize-ms N --dstl-preemptive SIZE]
        --file-merging BOOL [--fm-across BOOL --fm-max-file-size SIZE]
        --unaligned BOOL
        --wal BOOL [--wal-commit BOOL]        a write-ahead sink: task-owned files that only its state names
        --forst-dir DIR                       default checkpoint-dir: the live database is below --ckpt-dir
        --conf KEY=VALUE                      any Flink option; may be repeated
        --timeout-s N                         default 180

      run:
        --restore URI --mode CLAIM|NO_CLAIM|LEGACY      default NO_CLAIM
        --job-id HEX --task-managers N --rate N         records a second and reader; 0: as fast as possible
        --checkpoints N --interval-ms N --retained N    default 3, 500, 1
        --trigger manual|periodic                       who triggers them: this program, or Flink
        --retention RETAIN_ON_CANCELLATION|DELETE_ON_CANCELLATION
        --incremental BOOL --memory-threshold SIZE      default true, 1kb
        --checkpoint-timeout DURATION --tolerable-failed N --max-concurrent N --min-pause DURATION
        --savepoint-dir URI --savepoint-format native|canonical --savepoint-at K --drain BOOL
        --decline-at K,... --expire-at K,...            the K-th attempt fails, or runs into its timeout
        --restarts N --fail-after K                     the job fails once after checkpoint K, and restarts
        --slow-us N --gate-slow-us N --gate-hold-ms N   slow operators; each checkpoint takes that long
        --hold BOOL          afterwards the job goes on; lines on standard input: checkpoint, end
        --end cancel|cancel-mid|fail|savepoint-stop|crash|crash-mid|crash-metadata
                             mid: while a checkpoint is in progress; crash-metadata: while `_metadata` is written,
                             a race that the writer can win: look for ._metadata.inprogress
        --crash-delay-ms N --halt-at-bytes N
      """;

  private final Map<String, String> given = new LinkedHashMap<>();
  private final List<String> flinkOptions = new ArrayList<>();
  private final Set<String> asked = new HashSet<>();

  private Options() {}

  /** Of the words after the verb. */
  static Options parse(String[] args) {
    Options options = new Options();
    for (int i = 1; i < args.length; i += 2) {
      if (!args[i].startsWith("--") || i + 1 >= args.length) {
        throw new IllegalArgumentException("want --name value, got " + args[i]);
      }
      if (args[i].equals("--conf")) {
        options.flinkOptions.add(args[i + 1]);
      } else if (options.given.put(args[i].substring(2), args[i + 1]) != null) {
        throw new IllegalArgumentException("twice: " + args[i]);
      }
    }
    return options;
  }

  Map<String, String> given() {
    return given;
  }

  /** The --conf options, as KEY=VALUE. */
  List<String> flinkOptions() {
    return flinkOptions;
  }

  String get(String name, String otherwise) {
    asked.add(name);
    return given.getOrDefault(name, otherwise);
  }

  String need(String name) {
    String value = get(name, null);
    if (value == null) {
      throw new IllegalArgumentException("--" + name + " is needed");
    }
    return value;
  }

  boolean flag(String name, boolean otherwise) {
    return Boolean.parseBoolean(get(name, Boolean.toString(otherwise)));
  }

  long number(String name, long otherwise) {
    return Long.parseLong(get(name, Long.toString(otherwise)));
  }

  int integer(String name, int otherwise) {
    return Math.toIntExact(number(name, otherwise));
  }

  /** The numbers of a list apart by commas. */
  Set<Integer> integers(String name) {
    Set<Integer> numbers = new HashSet<>();
    for (String number : get(name, "").split(",")) {
      if (!number.isEmpty()) {
        numbers.add(Integer.valueOf(number));
      }
    }
    return numbers;
  }

  /** To be called when every option has been asked for. */
  void refuseOthers() {
    Set<String> others = new HashSet<>(given.keySet());
    others.removeAll(asked);
    if (!others.isEmpty()) {
      throw new IllegalArgumentException("unknown here: " + others + "; --help lists the options");
    }
  }
}
