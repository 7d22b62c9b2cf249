package org.chksweep.minihdfs;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The command line: what cluster is asked for. */
final class Options {
  static final String HELP =
      """
      A real NameNode and its DataNodes in one process. Prints {"ready":true,"url":...,"conf":...} when it serves.

        --dir DIR               where everything is kept (default target/minihdfs)
        --conf-dir DIR          where core-site.xml and hdfs-site.xml are written (default DIR/conf)
        --namenode-port PORT    default: any free one; with --ha the second NameNode has the next
        --datanodes N           default 1
        --ha                    two NameNodes; the first is active
        --nameservice NAME      default minins
        --kerberos              with a KDC; keytabs and krb5.conf are in DIR
        --users A,B             the principals besides the NameNode's (default gc,alice)
        --ticket-lifetime-ms MS
        --rpc-protection privacy|integrity|authentication
        --router                the URL is that of an HDFS router
        --router-port PORT
        --trash-interval MIN    default 0: no trash
        --no-permissions
        --encryption            a key in a file: there can be encryption zones, and needs no KMS
        --quota PATH=NAMES      a name quota from the start
        --handlers N            NameNode RPC handlers (default 10)
        --owner USER            owner of what mkfiles and mkflink make
        --keep                  start from the data that is in DIR
        --attach CONF_DIR       no cluster of its own: the commands go to the one that is configured there
        --set KEY=VALUE         any Hadoop property, for the cluster and its clients; may be repeated

      Commands on standard input, one a line (words apart by blanks, or a JSON array of strings):

        ping | stats | quit
        failover [GAP_MS]                 the other NameNode becomes active, after a gap without one
        active-down [MS]                  the active NameNode ends, the other takes over after that time
        transition active|standby I
        safemode enter|leave|get
        stop-dn I | stop-nn I | restart-nn I [active]
        freeze MS                         holds the namesystem lock: a NameNode that answers nothing
        quota PATH NAMES [BYTES]
        allow-snapshot PATH | snapshot PATH NAME
        zone PATH                         makes an empty directory an encryption zone
        mkdir PATH [OCTAL] | chmod PATH OCTAL | chown PATH USER [GROUP]
        rm PATH | mv FROM TO              recursive, past the trash
        put LOCALDIR PATH | get PATH LOCALDIR   recursive copies that keep modification times
        age PATH SECONDS                  PATH and all below become that much older
        tree PATH [digest]                every entry below PATH: path, type, length, mtime; SHA-256 if asked for
        datanodes                         how many are alive
        open PATH [BYTES] | close PATH    a file under construction, of that many flushed bytes
        mkfiles DIR COUNT [PREFIX|-] [AGE_SECONDS] [LENGTH] [journal]    straight into the namespace
        mkflink ROOT JOBS CHECKPOINTS FILES_EACH BIG_JOBS BIG_SHARED [SMALL_SHARED] [journal]
        delfiles DIR THREADS              deletes by direct calls: the namesystem's own speed
        save                              writes the fsimage
        token USER FILE                   a delegation token for USER in a token storage file
      """;

  private static final Set<String> FLAGS = Set.of("ha", "kerberos", "router", "no-permissions", "keep", "help",
      "encryption");
  private static final Set<String> VALUES = Set.of("dir", "conf-dir", "namenode-port", "datanodes", "nameservice",
      "users", "ticket-lifetime-ms", "rpc-protection", "router-port", "trash-interval", "quota", "handlers", "owner",
      "attach");

  /** Hadoop properties given with --set. */
  final Map<String, String> properties = new LinkedHashMap<>();
  private final Map<String, String> given = new HashMap<>();

  private Options() {}

  static Options parse(String[] args) {
    Options options = new Options();
    for (int i = 0; i < args.length; i++) {
      String name = args[i].startsWith("--") ? args[i].substring(2) : "";
      if (FLAGS.contains(name)) {
        options.given.put(name, "true");
      } else if (i + 1 < args.length && VALUES.contains(name)) {
        options.given.put(name, args[++i]);
      } else if (i + 1 < args.length && name.equals("set") && args[i + 1].contains("=")) {
        String[] property = args[++i].split("=", 2);
        options.properties.put(property[0], property[1]);
      } else {
        throw new IllegalArgumentException("cannot use " + args[i] + "; --help lists the options");
      }
    }
    return options;
  }

  boolean has(String name) {
    return given.containsKey(name);
  }

  String get(String name, String otherwise) {
    return given.getOrDefault(name, otherwise);
  }

  int number(String name, int otherwise) {
    return has(name) ? Integer.parseInt(given.get(name)) : otherwise;
  }
}
