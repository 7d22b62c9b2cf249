package org.chksweep.minihdfs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.hadoop.hdfs.server.namenode.BulkLoader;
import org.apache.hadoop.hdfs.server.namenode.Namespace;

/** Large namespaces in seconds: empty files, by the million, with the names that Flink would give. */
final class Synthetic {
  private static final long DAY_MS = 86_400_000L;
  private static final long MINUTE_MS = 60_000L;
  private static final int FIRST_CHECKPOINT = 1000;

  private final Cluster cluster;

  Synthetic(Cluster cluster) {
    this.cluster = cluster;
  }

  /** DIR COUNT [PREFIX|-] [AGE_SECONDS] [LENGTH] [journal] */
  Map<String, Object> files(Commands.Words c) throws IOException {
    String dir = c.word(1);
    int count = c.integer(2);
    String prefix = c.word(3, "-").equals("-") ? "" : c.word(3);
    long modified = System.currentTimeMillis() - 1000 * c.number(4, 0);
    SplittableRandom random = new SplittableRandom(dir.hashCode());
    String[] names = uuids(random, count);
    Arrays.setAll(names, i -> prefix + names[i]);
    loader(c).addFiles(dir, names, modified, c.number(5, 0), (short) 1);
    return Map.of("files", count);
  }

  /** ROOT JOBS CHECKPOINTS FILES_EACH BIG_JOBS BIG_SHARED [SMALL_SHARED] [journal] */
  Map<String, Object> flinkJobs(Commands.Words c) throws IOException {
    BulkLoader loader = loader(c);
    int jobs = c.integer(2);
    int checkpoints = c.integer(3);
    int filesEach = c.integer(4);
    int smallShared = c.has(7) && !c.word(7).equals("journal") ? c.integer(7) : 0;
    long now = System.currentTimeMillis();
    long files = 0;
    for (int j = 0; j < jobs; j++) {
      SplittableRandom random = new SplittableRandom(j + 1);
      String job = c.word(1) + "/" + String.format("%016x%016x", random.nextLong(), random.nextLong());
      int shared = j < c.integer(5) ? c.integer(6) : smallShared;
      loader.addFiles(job + "/shared", uuids(random, shared), now - DAY_MS, 0, (short) 1);
      loader.addFiles(job + "/taskowned", new String[0], now, 0, (short) 1);
      for (int k = 0; k < checkpoints; k++) {
        String[] names = Stream.concat(Stream.of("_metadata"), Arrays.stream(uuids(random, filesEach - 1)))
            .toArray(String[]::new);
        loader.addFiles(job + "/chk-" + (FIRST_CHECKPOINT + k), names, now - DAY_MS + MINUTE_MS * k, 0, (short) 1);
      }
      files += shared + (long) checkpoints * filesEach;
    }
    return Map.of("files", files, "dirs", 1 + jobs * (3L + checkpoints));
  }

  /** Deletes the entries of one directory one by one, by direct calls from some threads. */
  Map<String, Object> delete(String dir, int threads) throws Exception {
    List<String> names = Namespace.children(cluster.namesystem(), dir);
    List<Callable<Void>> shares = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      final int first = t;
      shares.add(() -> {
        for (int i = first; i < names.size(); i += threads) {
          cluster.nameNode().delete(dir + "/" + names.get(i), false);
        }
        return null;
      });
    }
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try {
      for (Future<Void> share : pool.invokeAll(shares)) {
        share.get();
      }
    } finally {
      pool.shutdown();
    }
    return Map.of("files", names.size());
  }

  private BulkLoader loader(Commands.Words c) throws IOException {
    return new BulkLoader(cluster.namesystem(), cluster.owner(), "supergroup", c.endsWith("journal"));
  }

  private static String[] uuids(SplittableRandom random, int count) {
    String[] names = new String[count];
    Arrays.setAll(names, i -> new UUID(random.nextLong(), random.nextLong()).toString());
    return names;
  }
}
