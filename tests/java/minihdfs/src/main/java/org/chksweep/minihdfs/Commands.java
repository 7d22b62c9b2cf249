package org.chksweep.minihdfs;

import java.io.File;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.DatanodeReportType;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.SafeModeAction;
import org.apache.hadoop.hdfs.server.namenode.Namespace;
import org.apache.hadoop.security.Credentials;

/** The commands of standard input; Options.HELP says what each does. */
final class Commands {
  private final Cluster cluster;
  private final Trees trees;
  private final Synthetic synthetic;

  Commands(Cluster cluster) {
    this.cluster = cluster;
    this.trees = new Trees(cluster);
    this.synthetic = new Synthetic(cluster);
  }

  /** Carries out one command; the result is what its answer says besides "ok". */
  Map<String, Object> run(String[] words) throws Exception {
    Words c = new Words(words);
    switch (c.word(0)) {
      case "ping" -> { }
      case "stats" -> {
        return Statistics.of(cluster);
      }
      case "failover" -> {
        return failover(c.number(1, 0));
      }
      case "active-down" -> {
        return activeDown(c.number(1, 0));
      }
      case "transition" -> transition(c.word(1), c.integer(2));
      case "safemode" -> {
        return safeMode(c.word(1));
      }
      case "stop-dn" -> cluster.dfs.stopDataNode(c.integer(1));
      case "stop-nn" -> cluster.dfs.shutdownNameNode(c.integer(1));
      case "restart-nn" -> restartNameNode(c.integer(1), c.has(2));
      case "freeze" -> freeze(c.number(1, 0));
      case "quota" -> cluster.setQuota(c.word(1), c.number(2, 0), c.number(3, HdfsConstants.QUOTA_DONT_SET));
      case "allow-snapshot" -> cluster.nameNode().allowSnapshot(c.word(1));
      case "snapshot" -> {
        return Map.of("path", cluster.nameNode().createSnapshot(c.word(1), c.word(2)));
      }
      case "mkdir" -> cluster.nameNode().mkdirs(c.word(1), permission(c.word(2, "777")), true);
      case "chmod" -> cluster.nameNode().setPermission(c.word(1), permission(c.word(2)));
      case "chown" -> cluster.nameNode().setOwner(c.word(1), c.word(2), c.word(3, null));
      case "save" -> Namespace.save(cluster.namesystem());
      case "zone" -> cluster.makeEncryptionZone(c.word(1));
      case "token" -> {
        return token(c.word(1), c.word(2));
      }
      case "rm" -> {
        return Map.of("deleted", cluster.nameNode().delete(c.word(1), true));
      }
      case "mv" -> cluster.nameNode().rename2(c.word(1), c.word(2));
      case "put" -> {
        return Map.of("files", trees.put(new File(c.word(1)), new Path(c.word(2))));
      }
      case "get" -> {
        return Map.of("files", trees.get(new Path(c.word(1)), new File(c.word(2))));
      }
      case "age" -> {
        return Map.of("entries", trees.age(new Path(c.word(1)), c.number(2)));
      }
      case "tree" -> {
        return Map.of("root", c.word(1), "entries", trees.list(new Path(c.word(1)), c.has(2)));
      }
      case "datanodes" -> {
        return Map.of("live", cluster.nameNode().getDatanodeReport(DatanodeReportType.LIVE).length);
      }
      case "open" -> trees.open(c.word(1), (int) c.number(2, 0));
      case "close" -> trees.close(c.word(1));
      case "mkfiles" -> {
        return synthetic.files(c);
      }
      case "mkflink" -> {
        return synthetic.flinkJobs(c);
      }
      case "delfiles" -> {
        return synthetic.delete(c.word(1), c.integer(2));
      }
      default -> throw new IllegalArgumentException("unknown command");
    }
    return Map.of();
  }

  private Map<String, Object> failover(long gapMs) throws Exception {
    int from = cluster.active();
    cluster.dfs.transitionToStandby(from);
    Thread.sleep(gapMs);
    cluster.dfs.transitionToActive(1 - from);
    return Map.of("active", 1 - from);
  }

  private Map<String, Object> activeDown(long gapMs) throws Exception {
    int from = cluster.active();
    cluster.dfs.shutdownNameNode(from);
    Thread.sleep(gapMs);
    cluster.dfs.transitionToActive(1 - from);
    return Map.of("active", 1 - from);
  }

  private void transition(String to, int nameNode) throws IOException {
    if (to.equals("active")) {
      cluster.dfs.transitionToActive(nameNode);
    } else {
      cluster.dfs.transitionToStandby(nameNode);
    }
  }

  private void restartNameNode(int nameNode, boolean active) throws IOException {
    cluster.dfs.restartNameNode(nameNode, false);
    if (cluster.ha && active) {
      cluster.dfs.transitionToActive(nameNode);
    }
  }

  private Map<String, Object> safeMode(String action) throws IOException {
    SafeModeAction asked = SafeModeAction.valueOf("SAFEMODE_" + action.toUpperCase());
    return Map.of("safemode", cluster.nameNode().setSafeMode(asked, false));
  }

  /** Returns when the lock is held. */
  private void freeze(long millis) throws InterruptedException {
    CountDownLatch held = new CountDownLatch(1);
    Thread holder = new Thread(() -> Namespace.freeze(cluster.namesystem(), millis, held::countDown), "freeze");
    holder.setDaemon(true);
    holder.start();
    held.await();
  }

  private Map<String, Object> token(String user, String file) throws IOException {
    Configuration conf = cluster.clientConfiguration();
    Credentials credentials = new Credentials();
    FileSystem.get(conf).addDelegationTokens(user, credentials);
    credentials.writeTokenStorageFile(new Path("file://" + file), conf);
    return Map.of("tokens", credentials.numberOfTokens());
  }

  private static FsPermission permission(String octal) {
    return new FsPermission(Short.parseShort(octal, 8));
  }

  /** The words of one command, with defaults for those left out. */
  static final class Words {
    private final List<String> words;

    Words(String[] words) {
      this.words = Arrays.asList(words);
    }

    boolean has(int i) {
      return i < words.size();
    }

    String word(int i) {
      if (!has(i)) {
        throw new IllegalArgumentException(words.get(0) + " needs " + i + " or more words after it");
      }
      return words.get(i);
    }

    String word(int i, String otherwise) {
      return has(i) ? words.get(i) : otherwise;
    }

    long number(int i) {
      return Long.parseLong(word(i));
    }

    long number(int i, long otherwise) {
      return has(i) ? number(i) : otherwise;
    }

    int integer(int i) {
      return Math.toIntExact(number(i));
    }

    boolean endsWith(String last) {
      return words.get(words.size() - 1).equals(last);
    }
  }
}
