package org.chksweep.flinkjobs;

import java.util.ArrayList;
import java.util.List;

/** What a job's state consists of: the same in the job that wrote it and the one that verifies it. */
record Shape(String state, long seed, int splits, int keysPerSplit, int valueBytes, int parallelism,
    int maxParallelism, boolean timers, boolean unaligned, boolean changelog, boolean fileMerging, boolean wal) {

  static Shape of(Options options) {
    int parallelism = options.integer("parallelism", 2);
    int splits = options.integer("splits", parallelism);
    return new Shape(options.get("state", "rocksdb"), options.number("seed", 1), splits,
        Math.max(1, options.integer("keys", 200) / splits), options.integer("value-bytes", 64), parallelism,
        options.integer("max-parallelism", 128), options.flag("timers", false), options.flag("unaligned", false),
        options.flag("changelog", false), options.flag("file-merging", false), options.flag("wal", false));
  }

  int keys() {
    return splits * keysPerSplit;
  }

  /** The options with which another process gets this shape. */
  List<String> asOptions(List<String> flinkOptions) {
    List<Object> words = new ArrayList<>(List.of("--state", state, "--seed", seed, "--splits", splits,
        "--keys", keys(), "--value-bytes", valueBytes));
    words.addAll(List.of("--parallelism", parallelism, "--max-parallelism", maxParallelism, "--timers", timers,
        "--unaligned", unaligned));
    words.addAll(List.of("--changelog", changelog, "--file-merging", fileMerging, "--wal", wal));
    for (String option : flinkOptions) {
      words.add("--conf");
      words.add(option);
    }
    return words.stream().map(String::valueOf).toList();
  }
}
