package org.chksweep.flinkjobs;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** Drops everything; an operator, because Flink 1 and 2 have no sink interface in common. */
public class DiscardingSink extends AbstractStreamOperator<Element>
    implements OneInputStreamOperator<Element, Element> {
  private static final long serialVersionUID = 1L;

  @Override
  public void processElement(StreamRecord<Element> record) {}
}
