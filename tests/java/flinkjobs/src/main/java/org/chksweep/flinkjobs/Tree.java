package org.chksweep.flinkjobs;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;

/** Lists what is there, with Flink's file systems. */
final class Tree {
  private Tree() {}

  /** Every entry below the root, parents before children. */
  static List<Map<String, Object>> below(String root) throws IOException {
    Path path = new Path(root);
    List<Map<String, Object>> entries = new ArrayList<>();
    add(path.getFileSystem(), path, entries);
    return entries;
  }

  private static void add(FileSystem fs, Path dir, List<Map<String, Object>> into) throws IOException {
    FileStatus[] children = fs.listStatus(dir);
    if (children == null) {
      throw new FileNotFoundException(dir.toString());
    }
    for (FileStatus status : children) {
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("path", location(status.getPath()));
      entry.put("type", status.isDir() ? "directory" : "file");
      entry.put("length", status.isDir() ? 0 : status.getLen());
      entry.put("mtime", status.getModificationTime());
      into.add(entry);
      if (status.isDir()) {
        add(fs, status.getPath(), into);
      }
    }
  }

  /** As chksweep prints it: an absent authority is written empty (file:///x). */
  static String location(Path path) {
    URI uri = path.toUri();
    if (uri.getScheme() == null) {
      return path.toString();
    }
    return uri.getScheme() + "://" + (uri.getAuthority() == null ? "" : uri.getAuthority()) + uri.getPath();
  }
}
