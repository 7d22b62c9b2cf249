package org.chksweep.flinkjobs;

/** A record: the i-th element of a split, or the order to check the state of one key at position i. */
public class Element {
  public boolean audit;
  public int split;
  public long key;
  public long i;
  public byte[] payload;

  public Element() {}

  static Element data(int split, long key, long i, byte[] payload) {
    Element element = new Element();
    element.split = split;
    element.key = key;
    element.i = i;
    element.payload = payload;
    return element;
  }

  static Element audit(int split, long key, long position) {
    Element element = data(split, key, position, new byte[0]);
    element.audit = true;
    return element;
  }
}
