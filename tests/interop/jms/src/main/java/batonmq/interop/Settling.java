package batonmq.interop;

import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import java.util.List;
import org.apache.qpid.jms.JmsSession;

/** Acknowledgement, recovery and transactions. */
public final class Settling extends Cases {
  public void recoverGivesBackWhatWasNotAcknowledged() throws Exception {
    Session session = connect().createSession(Session.CLIENT_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b", "c");
    MessageConsumer consumer = session.createConsumer(queue);
    consumer.receive(WAIT).acknowledge();
    same(take(consumer, 2), List.of("b", "c"));
    session.recover();
    Message again = consumer.receive(WAIT);
    same(text(again), "b");
    same(again.getJMSRedelivered(), true);
    same(again.getIntProperty("JMSXDeliveryCount"), 2);
    Message last = consumer.receive(WAIT);
    same(text(last), "c");
    last.acknowledge();
    session.close();
    same(seen(session(), queue), List.of());
  }

  public void whatAClosedSessionHeldComesBack() throws Exception {
    Session session = connect().createSession(Session.CLIENT_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b");
    same(take(session.createConsumer(queue), 1), List.of("a"));
    session.close();
    same(take(session().createConsumer(queue), 2), List.of("a", "b"));
  }

  public void oneByOne() throws Exception {
    Session session = connect().createSession(101);
    check(session instanceof JmsSession, "not Qpid's");
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b", "c");
    MessageConsumer consumer = session.createConsumer(queue);
    consumer.receive(WAIT);
    consumer.receive(WAIT).acknowledge();
    session.close();
    same(take(session().createConsumer(queue), 2), List.of("a", "c"));
  }

  public void lazily() throws Exception {
    Connection connection = connect();
    Session session = connection.createSession(Session.DUPS_OK_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b", "c");
    same(take(session.createConsumer(queue), 3), List.of("a", "b", "c"));
    session.close();
    same(seen(session(), queue), List.of());
  }

  public void commit() throws Exception {
    Session session = connect().createSession(Session.SESSION_TRANSACTED);
    Session other = session();
    Queue queue = session.createQueue(name);
    MessageConsumer consumer = other.createConsumer(queue);
    send(session, queue, "a", "b");
    same(consumer.receive(50), null);
    session.commit();
    same(take(consumer, 2), List.of("a", "b"));
  }

  public void rollback() throws Exception {
    Session session = connect().createSession(Session.SESSION_TRANSACTED);
    Queue queue = session.createQueue(name);
    send(session, queue, "dropped");
    session.rollback();
    send(session, queue, "kept");
    session.commit();
    same(take(session.createConsumer(queue), 1), List.of("kept"));
    session.commit();
    same(seen(session(), queue), List.of());
  }

  public void rollbackOfWhatWasReceived() throws Exception {
    Session session = connect().createSession(Session.SESSION_TRANSACTED);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b");
    session.commit();
    MessageConsumer consumer = session.createConsumer(queue);
    same(take(consumer, 2), List.of("a", "b"));
    session.rollback();
    Message again = consumer.receive(WAIT);
    same(text(again), "a");
    same(again.getIntProperty("JMSXDeliveryCount"), 2);
    same(text(consumer.receive(WAIT)), "b");
    session.commit();
    session.close();
    same(seen(session(), queue), List.of());
  }

  public void receivedAndSentTogether() throws Exception {
    Session session = connect().createSession(Session.SESSION_TRANSACTED);
    Queue source = session.createQueue(name);
    Queue target = session.createQueue(name + "-target");
    Session other = session();
    other.createConsumer(target).close();
    send(other, source, "order");
    MessageConsumer consumer = session.createConsumer(source);
    MessageProducer producer = session.createProducer(target);
    same(text(consumer.receive(WAIT)), "order");
    producer.send(session.createTextMessage("first try"));
    session.rollback();
    same(text(consumer.receive(WAIT)), "order");
    producer.send(session.createTextMessage("second try"));
    session.commit();
    same(seen(other, target), List.of("second try"));
    session.close();
    same(seen(other, source), List.of());
  }

  public void closingRollsBack() throws Exception {
    Connection connection = connect();
    Session session = connection.createSession(Session.SESSION_TRANSACTED);
    Queue queue = session.createQueue(name);
    Session other = session();
    send(other, queue, "there");
    same(take(session.createConsumer(queue), 1), List.of("there"));
    send(session, queue, "dropped");
    connection.close();
    MessageConsumer consumer = other.createConsumer(queue);
    same(take(consumer, 1), List.of("there"));
    same(consumer.receiveNoWait(), null);
  }

  public void manyTransactions() throws Exception {
    Session session = connect().createSession(Session.SESSION_TRANSACTED);
    Queue queue = session.createQueue(name);
    for (int number = 0; number < 40; number++) {
      send(session, queue, "m" + number);
      if (number % 2 == 0) session.commit();
      else session.rollback();
    }
    same(seen(session(), queue).size(), 20);
  }

  public void noCommitWithoutTransaction() throws Exception {
    Session session = session();
    fails(IllegalStateException.class, session::commit);
  }
}
